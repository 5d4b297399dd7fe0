"""What was searched, and with which values, as the rows of the runs say it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype

from sa2vp.results.schema import OWN_COLUMNS
from search_spaces import Value

Run = Mapping[Hashable, Any] | pd.Series
"""A row of a frame of runs."""


def searched_names(runs: pd.DataFrame) -> list[str]:
    """Name the hyperparameters that were searched in any of the runs, in order of appearance."""
    lists = [_read(text, list) for text in runs["searched"].dropna().unique()]
    return list(dict.fromkeys(name for names in lists for name in names))


def values_of(run: Run) -> dict[str, Value]:
    """Give every hyperparameter of a run, searched or not, by name.

    Args:
        run: a row; columns of earlier versions may be empty.
    """
    own = {name: run[name] for name in OWN_COLUMNS if not pd.isna(run[name])}
    return {**own, **_read(run["hyperparameters"], dict)}


def configuration_of(run: Run) -> dict[str, Value]:
    """Give what was searched in a run, by name."""
    values = values_of(run)
    return {name: values.get(name) for name in _read(run["searched"], list)}


def with_values(runs: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Give each of these hyperparameters a column of its own, empty where a run has none."""
    missing = [name for name in names if name not in runs]
    if not missing:
        return runs
    values = [values_of(run) for run in runs.to_dict("records")]
    columns = {
        name: pd.Series([of.get(name) for of in values], runs.index).convert_dtypes(
            convert_string=False, convert_floating=False
        )
        for name in missing
    }
    return runs.assign(**columns)


def form_of(values: pd.Series) -> str:
    """Give the format of a hyperparameter in a table."""
    if is_integer_dtype(values):
        return "d"
    return ".3g" if is_numeric_dtype(values) else ""


def _read(text: Any, kind: type[Any]) -> Any:
    """Read JSON; what is empty, damaged or of another kind is empty."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()
