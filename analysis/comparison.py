"""Which methods of a search differ by more than chance, over its tasks and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.tables import counted_runs

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class MeanRanks:
    """How methods stand over tasks (Demšar, JMLR 7, 2006, section 3.2.2).

    Attributes:
        ranks: mean over the tasks by method, the best (1) first; equal accuracies share a rank.
        tasks: how many.
        p_value: of Friedman's test that all methods are alike; NaN of fewer than three methods.
        critical_difference: of two mean ranks, by Nemenyi's test at 5 %.
    """

    ranks: pd.Series
    tasks: int
    p_value: float
    critical_difference: float

    def cliques(self) -> list[list[str]]:
        """List the largest groups of methods that Nemenyi's test does not tell apart."""
        names, values = list(self.ranks.index), self.ranks.to_numpy()
        ends = [
            int(np.flatnonzero(values - start <= self.critical_difference)[-1]) for start in values
        ]
        return [
            names[first : last + 1]
            for first, last in enumerate(ends)
            if last > first and (first == 0 or last > ends[first - 1])
        ]


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Correct p-values for how many there are (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: of the comparisons, in any order.

    Returns:
        The adjusted ones, in the same order.
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    left = np.arange(len(values), 0, -1)  # comparisons that are not decided yet
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(left * values[order]))
    return adjusted


def mean_ranks(accuracies: pd.DataFrame) -> MeanRanks:
    """Rank methods on each task.

    Args:
        accuracies: a row per task, a column per method, none missing; at least two of both.
    """
    tasks, methods = accuracies.shape
    ranks = accuracies.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    p_value = float("nan")
    if methods > 2:
        columns = [accuracies[name].to_numpy() for name in accuracies]
        p_value = float(stats.friedmanchisquare(*columns).pvalue)
    q = stats.studentized_range.ppf(1 - LEVEL, methods, np.inf) / np.sqrt(2)
    critical = float(q * np.sqrt(methods * (methods + 1) / (6 * tasks)))
    return MeanRanks(ranks, tasks, p_value, critical)


def against(runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Test each method against another, paired over (task, seed), with Wilcoxon's test and Holm.

    Args:
        runs: of one suite and backbone.
        reference: the other method.

    Returns:
        Columns method, pairs, difference (percentage points over the reference, a mean over the
        pairs), p_value and holm_p_value. Methods without a pair are left out.
    """
    scores = (
        counted_runs(runs)
        .pivot_table(index=["task", "seed"], columns="method", values="test_top1")
        .astype(float)
    )
    rows = []
    if reference in scores:
        for method in scores.columns.drop(reference):
            both = scores[[method, reference]].dropna()
            if len(both):
                difference = (both[method] - both[reference]).to_numpy()
                rows.append((method, len(both), difference.mean(), _wilcoxon(difference)))
    frame = pd.DataFrame(rows, columns=["method", "pairs", "difference", "p_value"])
    return frame.assign(holm_p_value=holm(frame["p_value"].tolist()))


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    """Test whether paired differences are symmetric about 0, two-sided."""
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(np.round(differences, 9)).pvalue)


def effort(runs: pd.DataFrame) -> pd.DataFrame:
    """Say how hard each method was tuned.

    Returns:
        By method: trials, epochs and seconds of all trials and of what confirms them.
    """
    tuned = runs[runs["phase"].isin(["search", "confirm"])]
    return tuned.groupby("method", as_index=False).agg(
        trials=("phase", lambda phases: int((phases == "search").sum())),
        search_epochs=("epochs_done", "sum"),
        search_seconds=("seconds", "sum"),
    )


def methods_compared(runs: pd.DataFrame, reference: str) -> tuple[pd.DataFrame, MeanRanks | None]:
    """Compare the methods that have final runs of the same tasks.

    Args:
        runs: of one suite and backbone.
        reference: that the others are tested against.

    Returns:
        A row per method: mean_rank, the columns of :func:`against` and of :func:`effort`; and the
        ranks, None of fewer than two methods or tasks.
    """
    counted = counted_runs(runs)
    means = counted.pivot_table(index="task", columns="method", values="test_top1").astype(float)
    shared = means.dropna()
    ranks = mean_ranks(shared) if min(shared.shape) > 1 else None
    frame = pd.DataFrame({"method": means.columns})
    frame["mean_rank"] = frame["method"].map({} if ranks is None else ranks.ranks).astype(float)
    for more in (against(runs, reference), effort(runs)):
        frame = frame.merge(more, on="method", how="left")
    return frame.sort_values(["mean_rank", "method"], ignore_index=True), ranks


def rank_notes(ranks: MeanRanks) -> list[str]:
    """Write a critical-difference diagram as lines of text."""
    count = len(ranks.ranks)
    test = "" if count < 3 else f"; Friedman's test that all are alike: p = {ranks.p_value:.2g}"
    groups = ["(" + ", ".join(clique) + ")" for clique in ranks.cliques()]
    return [
        f"mean rank: of {count} methods over {ranks.tasks} tasks, 1 is the best{test}.",
        f"Nemenyi's critical difference at 5 %: {ranks.critical_difference:.2f}. "
        + (f"Not told apart: {' '.join(groups)}." if groups else "All are told apart."),
    ]
