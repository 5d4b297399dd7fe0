"""What a user gets from a search, and how two ways to search compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

NEAR = 0.5
"""Percent: a configuration so near to the best one is good."""

BUDGETS = (2, 4, 8, 16)
"""Whole trainings' worth of epochs after which the regret is noted."""

GIVE_UP = 40
"""Whole trainings' worth of epochs after which a search without a good choice has given up."""

ALL = "(mean)"
"""Stands for all tasks of a replay."""

MEASURES = ("epochs", *(f"regret_{budget}" for budget in BUDGETS))


@dataclass(frozen=True)
class Score:
    """What one search came to.

    Attributes:
        epochs: trained, in all trials together, until the configuration that would be chosen then
            was good for the first time; those of ``GIVE_UP`` where that never was.
        found: whether it was.
        regrets: for each of ``BUDGETS``, by how many points the configuration that would be chosen
            then falls behind the best one. Where none would be, that of one drawn by chance.
    """

    epochs: int
    found: bool
    regrets: tuple[float, ...]


def score(choices: Iterable[float | None], best: float, guess: float, epochs: int) -> Score:
    """Score a search.

    A search that ends before a budget is used up, as all configurations of its table were tried,
    keeps its last choice.

    Args:
        choices: after each epoch, the truth of the configuration that would be chosen then.
        best: highest truth.
        guess: mean truth.
        epochs: of a whole training.
    """
    regret, found, spent = best - guess, None, 0
    regrets: list[float] = []
    for spent, truth in enumerate(choices, 1):
        if truth is not None:
            regret = best - truth
            if found is None and regret <= NEAR + 1e-9:
                found = spent
        if len(regrets) < len(BUDGETS) and spent == BUDGETS[len(regrets)] * epochs:
            regrets.append(regret)
        if spent == GIVE_UP * epochs or (found and len(regrets) == len(BUDGETS)):
            break
    regrets += [regret] * (len(BUDGETS) - len(regrets))
    return Score(found or GIVE_UP * epochs, found is not None, tuple(regrets))


def as_frame(scores: Sequence[Score]) -> pd.DataFrame:
    """Write scores as rows; the columns are ``MEASURES`` and found."""
    rows = [(one.epochs, *one.regrets, one.found) for one in scores]
    return pd.DataFrame(rows, columns=[*MEASURES, "found"]).astype(float)


def summarise(
    task: str, scores: Mapping[str, pd.DataFrame], reference: str
) -> list[dict[str, object]]:
    """Sum up a task's searches, a row for each way.

    The difference to the reference is of searches with the same seed, with a 95 % interval of its
    mean (Student's t) for each measure.
    """
    return [
        _row(task, way, len(of_way), of_way, of_way - scores[reference])
        for way, of_way in scores.items()
    ]


def summarise_all(
    means: Mapping[str, pd.DataFrame], searches: int, reference: str
) -> list[dict[str, object]]:
    """Sum up all tasks, a row for each way; the tasks are what varies.

    Args:
        means: of each way, a row for each task with the mean scores of its searches; epochs as
            multiples of a whole training, since tasks differ in it.
        searches: of each way and task.
        reference: way that the others are compared with.
    """
    return [
        _row(ALL, way, searches, of_way, of_way - means[reference]) for way, of_way in means.items()
    ]


def _row(
    task: str, way: str, searches: int, scores: pd.DataFrame, differences: pd.DataFrame
) -> dict[str, object]:
    row: dict[str, object] = {"task": task, "way": way, "searches": searches}
    row["epochs"], row["epochs_error"] = scores["epochs"].mean(), error(scores["epochs"].to_numpy())
    row["found"] = scores["found"].mean()
    row |= {name: scores[name].mean() for name in MEASURES[1:]}
    for name in MEASURES:
        middle, half = interval(differences[name].to_numpy())
        row[f"{name}_difference"] = middle
        row[f"{name}_difference_low"], row[f"{name}_difference_high"] = middle - half, middle + half
    return row


def error(values: NDArray[np.float64]) -> float:
    """Give the standard error of a mean; NaN for a single value."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Give a mean and half the width of its 95 % interval."""
    return float(values.mean()), float(student.ppf(0.975, len(values) - 1)) * error(values)
