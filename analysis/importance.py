"""Which hyperparameters mattered in a search, by Optuna's own measure."""

from __future__ import annotations

import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.trial import create_trial
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

from analysis.configurations import searched_names, with_values

FEWEST_TRIALS = 5
MOST_FOR_FANOVA = 500
"""Completed trials; fANOVA's time grows with their number, and PED-ANOVA takes over."""


def importances(trials: pd.DataFrame) -> pd.Series:
    """Measure how much of validation top-1 depends on each hyperparameter.

    Args:
        trials: of one task's search: columns status, last_val_top1 and those that hold
            hyperparameters. Only those that ran to the end tell of the same number of epochs, and
            count.

    Returns:
        Shares that add up to 1, the largest first, by hyperparameter; empty where there are fewer
        than ``FEWEST_TRIALS`` such trials, or they do not differ.
    """
    counted = trials[trials["status"] == "completed"].dropna(subset=["last_val_top1"])
    names = searched_names(counted)
    counted = with_values(counted, names)
    ranges = {name: _range(counted[name]) for name in names if len(counted[name].unique()) > 1}
    if len(counted) < FEWEST_TRIALS or counted["last_val_top1"].nunique() < 2 or not ranges:
        return pd.Series(dtype=float)
    study = _study(counted, ranges)
    shares = get_param_importances(study, evaluator=_evaluator(len(counted)))
    return pd.Series(shares, dtype=float)


def _evaluator(trials: int) -> BaseImportanceEvaluator:
    if trials > MOST_FOR_FANOVA:
        return PedAnovaImportanceEvaluator()
    return FanovaImportanceEvaluator(seed=0)


def _range(values: pd.Series) -> BaseDistribution:
    """Give the range that the tried values span."""
    if not is_numeric_dtype(values) or is_bool_dtype(values):
        return CategoricalDistribution(list(values.unique()))
    low, high = values.min(), values.max()
    if is_integer_dtype(values):
        return IntDistribution(int(low), int(high), log=low > 0)
    return FloatDistribution(float(low), float(high), log=low > 0)


def _study(counted: pd.DataFrame, ranges: dict[str, BaseDistribution]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            create_trial(
                value=row["last_val_top1"],
                params={name: row[name] for name in ranges},
                distributions=ranges,
            )
            for row in counted.astype(object).to_dict("records")
        ]
    )
    return study
