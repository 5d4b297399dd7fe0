"""What the report shows of one task on one backbone: charts, mistakes, runs and provenance."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import charts
from analysis.configurations import values_of
from analysis.confusion import confusion_matrix, worst_classes
from analysis.frames import Results
from analysis.importance import importances
from analysis.recipes import recipe_name, recipes
from analysis.tables import CONDITIONS, counted_runs

SHOWN_TRIALS = 60
"""Of a task, in its charts: the first ones would be the searcher's random ones, so the latest."""

WORST_CLASSES = 10
MOST_CLASSES = 5_000
"""With more, a confusion matrix takes gigabytes."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and what stands below it."""

    svg: Markup
    title: str
    caption: str


@dataclass(frozen=True, slots=True)
class TaskSection:
    """What the page shows of one task on one backbone.

    Attributes:
        anchor: its id within the page.
        title: task, suite and backbone.
        charts: of its search and final runs.
        worst: rows of the classes known least, as text by column.
        runs: the final runs that are counted, as text by column.
        provenance: what the runs share, by name.
        recipe: the file that repeats them; empty where a column is missing for that.
        recipe_file: its name.
    """

    anchor: str
    title: str
    charts: list[Chart]
    worst: list[dict[str, str]]
    runs: list[dict[str, str]]
    provenance: dict[str, str]
    recipe: str
    recipe_file: str


@dataclass(frozen=True, slots=True)
class _TaskRuns:
    """The runs of one task on one backbone, and the suite's class names by task."""

    suite: str
    backbone: str
    task: str
    runs: pd.DataFrame
    names: list[str] | None

    @property
    def trials(self) -> pd.DataFrame:
        """SA2VP's, in the order of their numbers."""
        own = self.runs[(self.runs["phase"] == "search") & (self.runs["method"] == "sa2vp")]
        return own.sort_values("run_id")

    @property
    def finals(self) -> pd.DataFrame:
        """SA2VP's that are counted, by seed."""
        counted = counted_runs(self.runs)
        return counted[counted["method"] == "sa2vp"].sort_values("seed")


def task_sections(results: Results) -> list[TaskSection]:
    """Make the sections of all tasks."""
    texts = recipes(results.runs)
    names = {suite: results.class_names(suite) for suite in results.runs["suite"].unique()}
    found = []
    for _, runs in results.runs.groupby(["suite", "backbone", "task"]):
        suite, backbone, task = runs[["suite", "backbone", "task"]].iloc[0]
        of = _TaskRuns(suite, backbone, task, runs, names[suite].get(task))
        found.append(_section(results, of, texts))
    return found


def _section(results: Results, of: _TaskRuns, texts: dict[str, str]) -> TaskSection:
    finals = of.finals
    predictions = results.predictions(finals["run_id"])
    worst, matrix_chart = _mistakes(of, predictions)
    file = recipe_name(of.suite, of.task, of.backbone)
    return TaskSection(
        anchor=_anchor(of.suite, of.backbone, of.task),
        title=f"{of.task} ({of.suite}, backbone {of.backbone})",
        charts=[*_search_charts(results, of), *matrix_chart],
        worst=worst,
        runs=_run_rows(finals),
        provenance=_provenance(finals),
        recipe=texts.get(file, ""),
        recipe_file=file,
    )


def _by_model(stopped: pd.DataFrame) -> bool:
    """Tell whether the model stopped trials: its reasons, not ASHA's, give their chances."""
    return bool(stopped["reason"].astype("string").str.contains("% chance to beat").any())


def _search_charts(results: Results, of: _TaskRuns) -> list[Chart]:
    """Draw learning curves, rungs, configurations and importances."""
    trials, finals = of.trials, of.finals
    shown = trials.tail(SHOWN_TRIALS)
    some = f"The last {len(shown)} of {len(trials):,} trials. " if len(shown) < len(trials) else ""
    found = []
    ids = [*shown["run_id"], *finals["run_id"]]
    epochs = results.epochs(ids)
    if len(epochs):
        own = [epochs[epochs["run_id"].isin(runs["run_id"])] for runs in (shown, finals)]
        found.append(
            _chart("Learning curves", charts.learning_curves(of.task, own[0], own[1]), some)
        )
    if len(shown):
        stopped = shown[shown["status"] == "stopped"]
        counts = stopped["epochs_done"].value_counts().sort_index()
        where = ", ".join(f"{count} after epoch {epoch}" for epoch, count in counts.items())
        by, title = (
            ("The model", "Stopped trials") if _by_model(stopped) else ("ASHA", "ASHA's rungs")
        )
        caption = f"{some}{by} stopped {where or 'none'}."
        found.append(_chart(title, charts.rungs(of.task, shown), caption))
    if shown["last_val_top1"].notna().sum() > 1:
        caption = f"{some}Coloured: ran to the end, blue to orange by accuracy; the others thin."
        found.append(_chart("Configurations", charts.parallel_coordinates(of.task, shown), caption))
    shares = importances(trials)
    if len(shares):
        completed = int((trials["status"] == "completed").sum())
        caption = f"Optuna's importance of {completed} trials that ran to the end; few say little."
        found.append(_chart("Importance", charts.importance_bars(of.task, shares), caption))
    return found


def _chart(title: str, svg: str, caption: str) -> Chart:
    return Chart(Markup(svg), title, caption)  # noqa: S704 - matplotlib escapes what is written in it


def _mistakes(of: _TaskRuns, predictions: pd.DataFrame) -> tuple[list[dict[str, str]], list[Chart]]:
    """Give the worst classes of the counted final runs, and their confusion matrix."""
    if predictions.empty:
        return [], []
    highest = int(predictions[["target", "predicted"]].to_numpy(dtype=int).max())
    if highest >= MOST_CLASSES:
        return [], []
    names = of.names or []
    if highest >= len(names):
        names = [str(number) for number in range(highest + 1)]
    matrix = confusion_matrix(predictions, len(names))
    rows = worst_classes(matrix, names, WORST_CLASSES)
    runs = predictions["run_id"].nunique()
    texts = [
        {
            "class": str(row["class"]),
            "images": f"{row['images']:,}",
            "right": f"{row['right_percent']:.1f} %",
            "most often taken for": ""
            if pd.isna(row["mistaken_for"])
            else f"{row['mistaken_for']} ({row['mistaken_percent']:.1f} %)",
        }
        for row in rows.to_dict("records")
    ]
    caption = f"Test images of {runs} final runs together."
    return texts, [_chart("Confusion", charts.confusion(of.task, matrix, names), caption)]


def _run_rows(finals: pd.DataFrame) -> list[dict[str, str]]:
    """Give each final run's own numbers."""
    columns = {
        "run": ("run_id", ""),
        "seed": ("seed", "d"),
        "val top-1": ("last_val_top1", ".2f"),
        "test top-1": ("test_top1", ".2f"),
        "test top-1 at best val epoch": ("test_top1_at_best_val", ".2f"),
        "test top-1 at best test epoch": ("best_epoch_test_top1", ".2f"),
        "seconds": ("seconds", ".0f"),
        "peak GiB": ("peak_memory_gib", ".2f"),
        "micro batch": ("micro_batch", "d"),
        "started, UTC": ("started_at", "%Y-%m-%d %H:%M"),
    }
    return [
        {name: _text(row[key], form) for name, (key, form) in columns.items()}
        for row in finals.to_dict("records")
    ]


def _text(value: Any, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


def _provenance(finals: pd.DataFrame) -> dict[str, str]:
    """Say what the final runs share: hyperparameters, data, weights, versions and commit."""
    if finals.empty:
        return {}
    first = finals.iloc[-1]
    names = [name for name in CONDITIONS if name != "hyperparameters"]
    found = {name: str(first[name]) for name in names if not pd.isna(first[name])}
    found |= {name: str(value) for name, value in values_of(first).items() if name not in found}
    found["trainable_params"] = str(first["trainable_params"])
    validated = finals["last_val_top1"].notna().all()
    found["trained on"] = (
        "the training split" if validated else "the training and validation splits"
    )
    found["seeds"] = ", ".join(finals["seed"].astype(str))
    found["commit"] = ", ".join(finals["commit"].dropna().unique()) or "unknown"
    versions = finals["versions"].dropna().unique()
    found["versions"] = "; ".join(_versions(text) for text in versions)
    earlier = finals.dropna(subset=["earlier_versions"])
    if len(earlier):
        found["earlier epochs"] = "; ".join(
            f"{run_id}: {text}"
            for run_id, text in zip(earlier["run_id"], earlier["earlier_versions"], strict=True)
        )
    return found


def _versions(text: str) -> str:
    try:
        return ", ".join(f"{name} {number}" for name, number in json.loads(text).items())
    except (ValueError, AttributeError, RecursionError):
        return text


def _anchor(*parts: str) -> str:
    return re.sub(r"[^\w-]+", "-", "-".join(parts))
