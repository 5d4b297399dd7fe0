"""Which rows of a dataset hold what no search writes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

from analysis.files import Problem
from sa2vp.results.schema import PHASES, STATUSES

_KNOWN = {"phase": PHASES, "status": STATUSES}
_LARGEST = 2**53
"""Of whole numbers: larger ones are not exact as floats."""


def sound_rows(frame: pd.DataFrame, schema: pa.Schema) -> tuple[pd.DataFrame, list[Problem]]:
    """Leave out rows that lack a value, or hold an impossible one.

    Args:
        frame: of any dataset, with the column run_id.
        schema: of the dataset.

    Returns:
        The other rows, and for each that is left out its run and the first column that is wrong.
    """
    left_out = np.zeros(len(frame), dtype=bool)
    problems = []
    for column in frame:
        wrong = _wrong(frame[column], schema.field(column)) & ~left_out
        left_out |= wrong
        note = f"left out, {column} is missing or impossible"
        run_ids = frame.loc[wrong, "run_id"].fillna("a run without a name").unique()
        problems += [(run_id, note) for run_id in run_ids]
    return frame[~left_out], problems


def _wrong(values: pd.Series, field: pa.Field) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    wrong = pd.Series(False, values.index) if field.nullable else values.isna()
    if values.name in _KNOWN:
        wrong |= ~values.isin(_KNOWN[str(values.name)])
    elif is_float_dtype(values):
        wrong |= (values < 0) | np.isinf(values)
    elif is_numeric_dtype(values) and not is_bool_dtype(values):
        wrong |= ((values < 0) | (values > _LARGEST)).fillna(False)
    return wrong.to_numpy(dtype=bool)
