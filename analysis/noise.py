"""How sure this search's accuracies are: intervals per task, and tests between methods."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.statistics import Correct, paired_p_value, top1_interval
from analysis.tables import counted_runs


def top1_intervals(runs: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Bootstrap each task's mean test top-1 over seeds and test images.

    Args:
        runs: of one suite and backbone.
        predictions: of the final runs that are counted, as ``read_predictions`` gives them.

    Returns:
        Columns task, method, top1_low and top1_high (percent); only where all counted runs of the
        task have predictions of the same images.
    """
    rows = []
    for (task, method), correct in _by_task(runs, predictions).items():
        interval = top1_interval(correct)
        rows.append((task, method, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["task", "method", "top1_low", "top1_high"])


def against_linear(runs: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Test SA2VP against the linear probe on each task's test images.

    Args:
        runs: of one suite and backbone.
        predictions: of their counted final runs.

    Returns:
        Columns task and linear_p_value, where both have predictions.
    """
    correct = _by_task(runs, predictions)
    rows = [
        (task, paired_p_value(correct[task, "sa2vp"], correct[task, "linear"]))
        for task, method in correct
        if method == "sa2vp" and (task, "linear") in correct
    ]
    return pd.DataFrame(rows, columns=["task", "linear_p_value"])


def _by_task(runs: pd.DataFrame, predictions: pd.DataFrame) -> dict[tuple[str, str], Correct]:
    """Give which images each seed had right, ``(S, N)``, by task and method."""
    found = {}
    of_run = dict(iter(predictions.groupby("run_id")))
    for key, counted in counted_runs(runs).groupby(["task", "method"]):
        rows = [of_run.get(run_id) for run_id in counted["run_id"]]
        if any(one is None for one in rows):
            continue
        targets = [one["target"].to_numpy() for one in rows if one is not None]
        if all(np.array_equal(targets[0], other) for other in targets):
            right = [one["correct"].to_numpy(dtype=bool) for one in rows if one is not None]
            found[str(key[0]), str(key[1])] = np.stack(right)
    return found


def with_noise(
    rows: pd.DataFrame, runs: pd.DataFrame, predictions: pd.DataFrame, *, comparable: bool = True
) -> pd.DataFrame:
    """Add to a table of tasks how sure its accuracies are.

    Args:
        rows: as ``task_results`` gives them.
        runs: of the same suite and backbone.
        predictions: of their counted final runs.
        comparable: whether the published accuracies are of this backbone.

    Returns:
        The rows with top1_low, top1_high and interval (as text), linear_p_value, over_published
        (points above the published accuracy) and noise: the interval of that difference as text,
        marked ``within noise`` where 0 lies in it. The published accuracy counts as exact.
    """
    intervals = top1_intervals(runs, predictions).query("method == 'sa2vp'")
    rows = rows.merge(intervals.drop(columns="method"), on="task", how="left")
    rows = rows.merge(against_linear(runs, predictions), on="task", how="left")
    published = rows["published_top1"] if comparable else rows["published_top1"] * float("nan")
    low, high = rows["top1_low"] - published, rows["top1_high"] - published
    within = low.le(0) & high.ge(0)
    mark = pd.Series(", within noise", rows.index).where(within, "")
    return rows.assign(
        interval=_as_text(rows["top1_low"], rows["top1_high"], "{:.1f}"),
        over_published=rows["test_top1_mean"] - published,
        noise=_as_text(low, high, "{:+.1f}") + mark,
    )


def _as_text(low: pd.Series, high: pd.Series, form: str) -> pd.Series:
    """Write intervals; missing ones stay missing."""
    texts = [f"{form.format(a)} to {form.format(b)}" for a, b in zip(low, high, strict=True)]
    return pd.Series(texts, low.index, dtype="str").where(low.notna())
