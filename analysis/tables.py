"""The tables, each a pure function from frames to a frame of plain numbers.

Accuracies are top-1 in percent. A spread is the sample standard deviation over seeds, empty where
there is one seed only.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from analysis.configurations import configuration_of, searched_names, with_values
from sa2vp.results.names import PLAIN_METHOD
from sa2vp.results.ranking import Outcome, rank
from sa2vp.results.schema import OWN_COLUMNS, STATUSES

_CELL = ["suite", "backbone", "task", "method"]
CONDITIONS = [
    *OWN_COLUMNS,
    "hyperparameters",
    "epochs_planned",
    "precision",
    "image_size",
    "backbone_fingerprint",
    "data_fingerprint",
]
"""Columns of a run: those that differ in any of them do not belong in one mean."""

_RANKED_BY = ("last_val_top1", "last_val_loss", "trainable_params")
_AVERAGED = [
    "val_top1_mean",
    "test_top1_mean",
    "test_top1_at_best_val_mean",
    "best_epoch_test_top1_mean",
    "linear_test_top1_mean",
    "gain_over_linear",
    "published_top1",
    "trainable_share_pct",
]


def counted_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the final runs that a table may count.

    They are completed, have a test accuracy, and, where a task was run again with another
    configuration, have that of its latest run.
    """
    done = runs[
        (runs["phase"] == "final") & (runs["status"] == "completed") & runs["test_top1"].notna()
    ]
    alike = done.groupby([*_CELL, *CONDITIONS], dropna=False).ngroup()
    latest = done.sort_values("started_at").groupby(_CELL).tail(1)
    return done[alike.isin(alike[latest.index])]


def left_out_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """List the final runs that no table counts, and why.

    Returns:
        Columns run_id, why (the status, or what else rules the run out) and reason (may be empty).
    """
    final = runs[runs["phase"] == "final"]
    out = final.drop(counted_runs(final).index)
    why = out["status"].mask(
        out["status"] == "completed", "completed with an earlier configuration"
    )
    why = why.mask((out["status"] == "completed") & out["test_top1"].isna(), "without test top-1")
    return pd.DataFrame({"run_id": out["run_id"], "why": why, "reason": out["reason"]})


def task_results(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Report the final runs of one suite and backbone: a row per task, then their means.

    Args:
        runs: the runs of one suite and backbone, every phase, status and method.
        published: columns task, group and top1_percent for every task of the suite; no rows where
            nothing is published, and then nothing says how many tasks the suite has.

    Returns:
        Columns task, group, is_mean (true in the rows of means), seeds (runs behind a task's
        row), val_top1_mean and _std, test_top1_mean and _std (both of the last epoch),
        test_top1_at_best_val_mean and _std, best_epoch_test_top1_mean and _std,
        linear_test_top1_mean and _std, gain_over_linear (percentage points), published_top1,
        the hyperparameters that were searched, trainable_params (without the head),
        trainable_share_pct (of the backbone's), matched (of runs that repeat a recipe's: how many
        reached the very number, as text).
    """
    counted = counted_runs(runs)
    tuned = counted[counted["method"] == "sa2vp"]
    searched = searched_names(tuned)
    tuned = _over_seeds(with_values(tuned, searched), searched)
    linear = _over_seeds(counted[counted["method"] == "linear"], [])
    linear = linear[["task", "test_top1_mean", "test_top1_std"]]
    linear = linear.rename(columns=lambda name: name if name == "task" else f"linear_{name}")
    rows = tuned.merge(linear, on="task", how="outer")
    rows["gain_over_linear"] = rows["test_top1_mean"] - rows["linear_test_top1_mean"]
    share = 100 * rows["trainable_params"] / rows["backbone_params"]
    rows["trainable_share_pct"] = share.astype(float)
    rows = _beside_published(rows, published)
    means = _means(rows, published.groupby("group", sort=False).size())
    order = ["task", "group", "is_mean", "seeds", "val_top1_mean", "val_top1_std"]
    order += ["test_top1_mean", "test_top1_std"]
    order += ["test_top1_at_best_val_mean", "test_top1_at_best_val_std"]
    order += ["best_epoch_test_top1_mean", "best_epoch_test_top1_std"]
    order += ["linear_test_top1_mean", "linear_test_top1_std", "gain_over_linear"]
    order += ["published_top1", *searched, "trainable_params", "trainable_share_pct"]
    order += ["matched"]
    rows = rows.assign(is_mean=False)
    return (pd.concat([rows, means], ignore_index=True) if len(means) else rows)[order]


def method_results(runs: pd.DataFrame) -> pd.DataFrame:
    """Report the final runs of one suite and backbone by method and task.

    Args:
        runs: the runs of one suite and backbone, every phase, status and method.

    Returns:
        Columns method, task, top1_percent (test top-1 of the last epoch, mean over seeds), std,
        seeds and trainable_params (without the head); SA2VP first, then by name.
    """
    counted = counted_runs(runs)
    found = counted.groupby(["method", "task"], as_index=False).agg(
        top1_percent=("test_top1", "mean"),
        std=("test_top1", "std"),
        seeds=("test_top1", "count"),
        trainable_params=("trainable_params", "first"),
    )
    other = found["method"] != PLAIN_METHOD
    found = found.assign(other=other).sort_values(["other", "method", "task"], ignore_index=True)
    return found.drop(columns="other")


def compared_methods(found: pd.DataFrame) -> pd.DataFrame:
    """Set a search's methods side by side.

    Args:
        found: as :func:`method_results` gives it.

    Returns:
        A row per method: method; mean, over the tasks that all methods have; trainable_params (a
        mean over the same); each task and ``<task> std``.
    """
    accuracies, spreads, learned = (
        found.pivot_table(index="method", columns="task", values=name, sort=False, dropna=False)
        for name in ("top1_percent", "std", "trainable_params")
    )
    shared = accuracies.columns[accuracies.notna().all()]
    spreads = spreads.reindex(columns=accuracies.columns).add_suffix(" std")
    table = pd.concat([accuracies, spreads], axis=1)
    table.insert(0, "mean", accuracies[shared].mean(axis=1))
    table.insert(1, "trainable_params", learned.reindex(columns=shared).mean(axis=1))
    return table.rename_axis("method").reset_index()


def search_summary(runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Summarise the SA2VP trials of one suite and backbone: a row per task.

    Args:
        runs: the runs of one suite and backbone, every phase, status and method.
        published: column task, in the order the rows are to have; it may be empty.

    Returns:
        Columns task, trials, one per status, epochs (trained in all trials), last_val_top1 of the
        best trial (see :func:`best_trials`), its configuration (a column for each hyperparameter
        that was searched) and its best_run_id.
    """
    trials = runs[(runs["phase"] == "search") & (runs["method"] == "sa2vp")]
    counts = pd.crosstab(trials["task"], trials["status"]).reindex(columns=STATUSES, fill_value=0)
    totals = trials.groupby("task").agg(trials=("run_id", "size"), epochs=("epochs_done", "sum"))
    searched = searched_names(trials)
    best = with_values(best_trials(runs), searched).set_index("task")
    best = best[["last_val_top1", *searched, "run_id"]]
    summary = totals.join(counts).join(best.rename(columns={"run_id": "best_run_id"}))
    order = ["trials", *STATUSES, "epochs", *best.columns[:-1], "best_run_id"]
    return _in_order(summary[order].reset_index(), published["task"])


def best_trials(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep each task's best SA2VP trial, as the search chooses it.

    Args:
        runs: of one suite and backbone, every phase, status and method.
    """
    tuned = runs[(runs["method"] == "sa2vp") & runs["phase"].isin(["search", "confirm"])]
    ended = tuned[tuned["status"].isin(["completed", "failed"])]
    ranked = [
        rank(map(_outcome, of_task.to_dict("records"))) for _, of_task in ended.groupby("task")
    ]
    return ended[ended["run_id"].isin([run_ids[0] for run_ids in ranked if run_ids])]


def outdated_results(runs: pd.DataFrame) -> pd.DataFrame:
    """List the tasks whose counted final runs have no longer the configuration of the best trial.

    Returns:
        Columns task and best_run_id.
    """
    best = best_trials(runs)
    counted = counted_runs(runs[runs["method"] == "sa2vp"])
    retrained = {_task_and_configuration(run) for run in counted.to_dict("records")}
    current = [_task_and_configuration(run) in retrained for run in best.to_dict("records")]
    outdated = best[~np.array(current, dtype=bool) & best["task"].isin(counted["task"])]
    return outdated[["task", "run_id"]].rename(columns={"run_id": "best_run_id"})


def _task_and_configuration(run: dict[Hashable, Any]) -> Hashable:
    return run["task"], tuple(configuration_of(run).items())


def _outcome(run: dict[Hashable, Any]) -> Outcome:
    known = {name: None if pd.isna(run[name]) else run[name] for name in _RANKED_BY}
    return Outcome(
        run_id=run["run_id"],
        phase=run["phase"],
        configuration=tuple(configuration_of(run).items()),
        status=run["status"],
        val_top1=known["last_val_top1"],
        val_loss=known["last_val_loss"],
        trainable_params=known["trainable_params"],
    )


def _over_seeds(runs: pd.DataFrame, searched: list[str]) -> pd.DataFrame:
    """Average the runs of each task; its runs share one configuration."""
    averages = runs.groupby("task", as_index=False).agg(
        seeds=("test_top1", "count"),
        val_top1_mean=("last_val_top1", "mean"),
        val_top1_std=("last_val_top1", "std"),
        test_top1_mean=("test_top1", "mean"),
        test_top1_std=("test_top1", "std"),
        test_top1_at_best_val_mean=("test_top1_at_best_val", "mean"),
        test_top1_at_best_val_std=("test_top1_at_best_val", "std"),
        matched_runs=("matched", "sum"),
        repeated_runs=("matched", "count"),
        best_epoch_test_top1_mean=("best_epoch_test_top1", "mean"),
        best_epoch_test_top1_std=("best_epoch_test_top1", "std"),
        **{name: (name, "first") for name in searched},
        trainable_params=("trainable_params", "first"),
        backbone_params=("backbone_params", "first"),
    )
    repeated, same = averages.pop("repeated_runs"), averages.pop("matched_runs")
    matched = same.astype(int).astype(str) + " of " + repeated.astype(str)
    averages["matched"] = matched.where(repeated > 0)
    return averages.astype({"seeds": "Int64"})  # a row of means has none


def _beside_published(rows: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Add each task's group and published accuracy."""
    reference = published[["task", "group", "top1_percent"]]
    reference = reference.rename(columns={"top1_percent": "published_top1"})
    return _in_order(rows.merge(reference, on="task", how="left"), reference["task"])


def _in_order(rows: pd.DataFrame, tasks: pd.Series) -> pd.DataFrame:
    """Sort rows as these tasks stand; other tasks follow by name."""
    place = {task: number for number, task in enumerate(tasks)}
    keyed = rows.assign(place=rows["task"].map(place).astype("Float64"))
    return keyed.sort_values(["place", "task"], ignore_index=True).drop(columns="place")


def _means(rows: pd.DataFrame, group_sizes: pd.Series) -> pd.DataFrame:
    """Average the tasks shown: one row per known group, and one over all.

    A column is averaged only where every task of the row has a value: a mean over fewer tasks
    than its neighbours' would invite a wrong comparison.
    """
    labelled: list[tuple[str, object, pd.DataFrame]] = []
    if len(group_sizes) > 1:
        for group, size in group_sizes.items():
            members = rows[rows["group"] == group]
            labelled.append((f"{group} mean, {len(members)} of {size}", group, members))
    known = f"of {group_sizes.sum()} " if len(group_sizes) else ""
    labelled.append((f"mean of {len(rows)} {known}tasks", None, rows))
    means = [
        {"task": label, "group": group, **members[_AVERAGED].mean(skipna=False)}
        for label, group, members in labelled
        if len(members) > 1
    ]
    return pd.DataFrame(means, columns=["task", "group", *_AVERAGED]).assign(is_mean=True)
