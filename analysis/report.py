"""Decide which tables the results give, and say where their numbers come from."""

from __future__ import annotations

import textwrap

import pandas as pd

from analysis.comparison import methods_compared, rank_notes
from analysis.configurations import form_of, searched_names
from analysis.frames import Results
from analysis.layout import Column, Table
from analysis.names import file_stem
from analysis.noise import with_noise
from analysis.occupancy import Occupancy, occupancy
from analysis.paper_report import (
    METHOD_TABLES,
    paper_table,
    stated_means_table,
    table_of_configurations,
)
from analysis.published import (
    BACKBONE_NAMES,
    checked_note,
    read_accuracy,
    read_author_settings,
    read_group_means,
    sa2vp_accuracy,
    sa2vp_group_means,
)
from analysis.tables import (
    compared_methods,
    counted_runs,
    left_out_runs,
    method_results,
    outdated_results,
    search_summary,
    task_results,
)
from sa2vp.results.names import PLAIN_METHOD

SHOWN_IN_RESULTS = {"sa2vp", "linear"}
"""Methods that the table of results has columns for."""

_RESULT_COLUMNS = (
    Column("task", "task"),
    Column("seeds", "seeds", "d"),
    Column("val top-1", "val_top1_mean", ".1f", "val_top1_std"),
    Column("test top-1", "test_top1_mean", ".1f", "test_top1_std"),
    Column("95 % interval", "interval"),
    Column(
        "test top-1 at best val epoch",
        "test_top1_at_best_val_mean",
        ".1f",
        "test_top1_at_best_val_std",
    ),
    Column(
        "test top-1 at best test epoch",
        "best_epoch_test_top1_mean",
        ".1f",
        "best_epoch_test_top1_std",
    ),
    Column("linear probe test", "linear_test_top1_mean", ".1f", "linear_test_top1_std"),
    Column("over linear", "gain_over_linear", "+.1f"),
    Column("p against linear", "linear_p_value", ".2g"),
    Column("published, ViT-B/16", "published_top1", ".1f"),
    Column("over published", "over_published", "+.1f", part="noise"),
    Column("as in the recipe", "matched"),
)
_TUNED_SHARE = (
    Column("learned parameters", "trainable_params", ",d"),
    Column("% of backbone", "trainable_share_pct", ".2f"),
)

_SEARCH_COLUMNS = (
    Column("task", "task"),
    Column("trials", "trials", "d"),
    Column("completed", "completed", "d"),
    Column("stopped", "stopped", "d"),
    Column("failed", "failed", "d"),
    Column("running", "running", "d"),
    Column("epochs", "epochs", "d"),
    Column("best val top-1", "last_val_top1", ".1f"),
)
_BEST_TRIAL = (Column("best trial", "best_run_id"),)
_PUBLISHED_COLUMNS = (
    Column("task", "task"),
    Column("group", "group"),
    Column("top-1", "top1_percent", ".1f"),
    Column("checked", "checked"),
)
_PUBLISHED_MEAN_COLUMNS = (
    Column("group", "group"),
    Column("benchmark", "benchmark"),
    Column("backbone", "backbone"),
    Column("tasks", "tasks", "d"),
    Column("stated mean", "stated_mean_percent", ".2f"),
    Column("mean of tasks", "task_mean_percent", ".3f"),
    Column("checked", "checked"),
)
_SPREAD_NOTE = (
    "val and test top-1: after the last epoch, mean ± sample standard deviation over seeds."
)
_BEST_VAL_NOTE = (
    "test top-1 at best val epoch: after the first epoch with the highest validation top-1, as the "
    "authors report FGVC; of final runs that keep a validation split."
)
_BEST_TEST_NOTE = (
    "test top-1 at best test epoch: the highest of any epoch, which the published code prints. It "
    "is chosen on the test split; compare only with numbers made the same way."
)
_INTERVAL_NOTE = (
    "95 % interval: of the mean test top-1, by drawing seeds and test images again; of one seed, "
    "images alone. over published: in brackets the interval of the difference, the published "
    "accuracy taken as exact; 'within noise' where 0 lies in it."
)
_PAIRED_NOTE = (
    "p against linear: how often drawn signs of the images' differences give as large a gain or "
    "loss; the same test images for both. Of 10,000 draws, 0.0001 is the least."
)
_TESTS_NOTE = (
    "over {reference}: percentage points of test top-1, a mean over the pairs of equal task and "
    "seed; p: Wilcoxon's signed-rank test of these pairs, by Holm for all methods at once. Seeds "
    "of one task are not independent of each other: with few tasks p is too small."
)
_NOTE_LIMIT = 160  # characters of a run's reason that still make a note


def report(results: Results) -> list[Table]:
    """Make every table that the results give; without any run, the published ones.

    Args:
        results: as ``read_results`` returns them.
    """
    if results.runs.empty:
        return published_tables()
    accuracy = read_accuracy()
    tables = []
    for _, runs in results.runs.groupby(["suite", "backbone"]):
        published = published_tasks(accuracy, runs["suite"].iloc[0])
        rows = task_results(runs, published)
        tables += _result_tables(results, runs, rows, published)
        tables += _paper_tables(runs, rows, accuracy)
        tables += _search_tables(results, runs, published)
    return tables


def published_tasks(accuracy: pd.DataFrame, suite: str) -> pd.DataFrame:
    """List a suite's tasks with SA2VP's published accuracy, which of some suites is not at hand.

    Args:
        accuracy: as ``read_accuracy`` returns it.
        suite: of the paper, or another, of which no tasks are listed.

    Returns:
        The columns of ``accuracy``; top1_percent is empty where it is not known.
    """
    known = sa2vp_accuracy(accuracy, suite)
    if len(known):
        return known
    settings = read_author_settings(suite, "vit_b16")
    return settings[["task"]].assign(group=suite).reindex(columns=known.columns)


def _paper_tables(runs: pd.DataFrame, rows: pd.DataFrame, accuracy: pd.DataFrame) -> list[Table]:
    """Set this search beside what is published, where the paper gives it."""
    suite, backbone = runs["suite"].iloc[0], runs["backbone"].iloc[0]
    rows = rows.query("not is_mean").dropna(subset=["test_top1_mean"])
    own = method_results(runs)
    if own.empty:
        return []
    return [
        table
        for table in (
            paper_table(suite, backbone, accuracy, read_group_means(), own),
            _compared_table(runs, own),
            _tests_table(runs, own),
            table_of_configurations(suite, backbone, rows, _searched(runs)) if len(rows) else None,
        )
        if table is not None
    ]


def _compared_table(runs: pd.DataFrame, own: pd.DataFrame) -> Table | None:
    """Set this search's methods side by side; None where the results show all that there are."""
    if set(own["method"]) <= SHOWN_IN_RESULTS:
        return None
    frame = compared_methods(own)
    tasks = [name for name in own["task"].unique() if name in frame]
    columns = (
        Column("method", "method"),
        Column("mean", "mean", ".2f"),
        Column("learned", "trainable_params", ",.0f"),
        *(Column(task, task, ".1f", f"{task} std") for task in sorted(tasks)),
    )
    title, name = _titled("compared", runs)
    note = (
        "mean, learned: over the tasks that every method here has final runs of; learned "
        "parameters without the head."
    )
    caption = "Test top-1 in percent after the last epoch, mean ± standard deviation over seeds."
    return Table(name, title, caption, frame, columns, (note,))


def _tests_table(runs: pd.DataFrame, own: pd.DataFrame) -> Table | None:
    """Say which methods differ by more than chance; None where there are not two."""
    if own["method"].nunique() < 2 or set(own["method"]) <= SHOWN_IN_RESULTS:
        return None
    reference = PLAIN_METHOD if PLAIN_METHOD in set(own["method"]) else own["method"].iloc[0]
    frame, ranks = methods_compared(runs, reference)
    columns = (
        Column("method", "method"),
        Column("mean rank", "mean_rank", ".2f"),
        Column(f"over {reference}", "difference", "+.2f"),
        Column("pairs", "pairs", ".0f"),
        Column("p", "p_value", ".2g"),
        Column("p by Holm", "holm_p_value", ".2g"),
        Column("trials", "trials", ",.0f"),
        Column("epochs", "search_epochs", ",.0f"),
        Column("seconds", "search_seconds", ",.0f"),
    )
    notes = [
        _TESTS_NOTE.format(reference=reference),
        "trials, epochs, seconds: of the search of all tasks, without the final runs.",
    ]
    if ranks is not None:
        notes += rank_notes(ranks)
    title, name = _titled("tests", runs)
    caption = "Each method against the same, on the same tasks, data and seeds."
    return Table(name, title, caption, frame, columns, tuple(notes))


def published_tables() -> list[Table]:
    """Show the paper's tables, SA2VP's accuracies with their marks, and the group means."""
    accuracy, stated = read_accuracy(), read_group_means()
    methods = (paper_table(*which, accuracy, stated) for which in METHOD_TABLES)
    tables = [table for table in methods if table is not None]
    for benchmark in dict.fromkeys(suite for suite, _ in METHOD_TABLES):
        rows = sa2vp_accuracy(accuracy, benchmark)
        caption = f"Test top-1 in percent. Source: {_listed(rows['source'])}."
        title = f"Published SA2VP on {benchmark}, ViT-B/16"
        name = f"published-{benchmark}"
        tables.append(Table(name, title, caption, rows, _PUBLISHED_COLUMNS, (checked_note(rows),)))
    means = sa2vp_group_means(stated, accuracy)
    caption = f"Test top-1 in percent. Source: {_listed(means['source'])}."
    notes = ("mean of tasks: recomputed here from the published tasks.", checked_note(means))
    title = "Published SA2VP, group means"
    return [
        *tables,
        Table("published-means", title, caption, means, _PUBLISHED_MEAN_COLUMNS, notes),
        stated_means_table(accuracy, stated),
    ]


def _short(commits: pd.Series[str]) -> pd.Series[str]:
    """Cut commits to ten digits, and keep the mark of a checkout that differed from its commit."""
    return commits.str.replace(r"^([0-9a-f]{10})[0-9a-f]*", r"\1", regex=True)


def _result_tables(
    results: Results, runs: pd.DataFrame, rows: pd.DataFrame, published: pd.DataFrame
) -> list[Table]:
    final = runs[runs["phase"] == "final"]
    if not final["method"].isin(SHOWN_IN_RESULTS).any():
        return []
    predictions = results.predictions(counted_runs(runs)["run_id"])
    frame = with_noise(
        rows,
        runs,
        predictions,
        comparable=runs["backbone"].iloc[0] == "vit-b16",
    )
    left_out = left_out_runs(runs)
    caption = (
        f"{len(final) - len(left_out)} of {len(final)} final runs in {results.location}/runs, "
        f"commit {_listed(_short(final['commit']))}. Top-1 in percent."
    )
    notes = [_SPREAD_NOTE, *_left_out_notes(left_out)]
    if frame["interval"].notna().any():
        notes.append(_INTERVAL_NOTE)
    if frame["linear_p_value"].notna().any():
        notes.append(_PAIRED_NOTE)
    notes += [
        f"{row.task}: {row.best_run_id} is better by now than the configuration of these final "
        "runs; run_search.py retrains it."
        for row in outdated_results(runs).itertuples()
    ]
    if frame["test_top1_at_best_val_mean"].notna().any():
        notes.append(_BEST_VAL_NOTE)
    if frame["best_epoch_test_top1_mean"].notna().any():
        notes.append(_BEST_TEST_NOTE)
    if frame["published_top1"].notna().any():
        notes.append(
            f"published: SA2VP on {BACKBONE_NAMES['vit_b16_in21k']}, "
            f"{_listed(published['source'])}; {checked_note(published)}"
        )
    elif len(published):
        notes.append(f"published: no accuracies on {runs['suite'].iloc[0]} are at hand.")
    title, name = _titled("results", runs)
    columns = (*_RESULT_COLUMNS, *_configuration(frame, _searched(final)), *_TUNED_SHARE)
    return [Table(name, title, caption, frame, columns, tuple(notes))]


def _search_tables(results: Results, runs: pd.DataFrame, published: pd.DataFrame) -> list[Table]:
    frame = search_summary(runs, published)
    if frame.empty:
        return []
    caption = f"{frame['trials'].sum()} SA2VP trials in {results.location}/runs. Top-1 in percent."
    busy = occupancy(runs[runs["method"] == "sa2vp"])
    notes = () if busy is None else (_busy_note(busy),)
    title, name = _titled("search", runs)
    searched = _searched(runs[runs["phase"] == "search"])
    columns = (*_SEARCH_COLUMNS, *_configuration(frame, searched), *_BEST_TRIAL)
    return [Table(name, title, caption, frame, columns, notes)]


def _searched(runs: pd.DataFrame) -> list[str]:
    """Name the hyperparameters that the tables show."""
    return searched_names(runs[runs["method"] == "sa2vp"])


def _configuration(frame: pd.DataFrame, names: list[str]) -> list[Column]:
    """Lay the searched hyperparameters out, as far as they stand in a frame."""
    return [
        Column(
            name.replace("batch_size", "batch size"), name, form_of(frame[name]),
            opens_part=number == 0,
        )
        for number, name in enumerate(names)
        if name in frame
    ]  # fmt: skip


def _titled(kind: str, runs: pd.DataFrame) -> tuple[str, str]:
    """Make a table's title, and its name, from the suite and backbone that its runs share."""
    suite, backbone = runs["suite"].iloc[0], runs["backbone"].iloc[0]
    return f"{suite} on backbone {backbone}: {kind}", file_stem(kind, suite, backbone)


def _busy_note(busy: Occupancy) -> str:
    return (
        f"Training and evaluation steps took {busy.share_pct:.1f} % of the wall time of "
        f"{busy.slots} slots over {busy.wall_seconds / 60:.1f} minutes ({busy.runs} finished SA2VP "
        "runs, search and final; pauses between sessions count as idle)."
    )


def _left_out_notes(left_out: pd.DataFrame) -> list[str]:
    """One line per kind: how many final runs are not counted, and which."""
    notes = []
    for why, runs in left_out.groupby("why"):
        named = [
            run_id if pd.isna(reason) else f"{run_id} ({textwrap.shorten(reason, _NOTE_LIMIT)})"
            for run_id, reason in zip(runs["run_id"], runs["reason"], strict=True)
        ]
        notes.append(f"Not counted, {why} ({len(runs)}): {', '.join(named)}.")
    return notes


def _listed(values: pd.Series) -> str:
    """Name the different values of a column, in order of appearance."""
    return ", ".join(values.dropna().unique()) or "unknown"
