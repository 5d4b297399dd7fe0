"""The report as one HTML page: tables, the charts of each task, and where numbers come from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from analysis import charts
from analysis.confusion import confusion_matrix, worst_classes
from analysis.frames import Results
from analysis.importance import importances
from analysis.layout import Table
from analysis.paper_report import BACKBONES
from analysis.parameters import own_points, published_points
from analysis.published import read_accuracy, read_author_settings
from analysis.recipes import recipes
from analysis.report import published_tasks
from analysis.tables import counted_runs, task_results

SHOWN_TRIALS = 60
"""Of a task, in its charts: the first ones would be the searcher's random ones, so the latest."""

WORST_CLASSES = 10
STATUSES = ("completed", "stopped", "failed", "running")


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


def html_report(results: Results, tables: list[Table], refresh_seconds: int | None = None) -> str:
    """Write the report as a page that needs no other file; every text is escaped.

    Args:
        results: as ``read_results`` returns them.
        tables: as ``report`` makes them.
        refresh_seconds: after which a browser loads the page again; None where nothing changes.
    """
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    runs = results.runs
    counts = {status: int((runs["status"] == status).sum()) for status in STATUSES}
    text: str = environment.get_template("report.html.j2").render(
        title="SA2VP results" if len(runs) else "SA2VP, published results",
        location=results.location,
        counts={status: count for status, count in counts.items() if count},
        tables=[_table(table) for table in tables],
        overviews=_overviews(results),
        sections=_sections(results),
        refresh_seconds=refresh_seconds,
    )
    return text


def _table(table: Table) -> dict[str, Any]:
    """Give what the template shows of a table: texts, and the numbers that it sorts by."""
    shown, text = table.shown_columns(), table.text()
    keys = [table.frame[column.key].tolist() for column in shown]
    rows = [
        {
            "is_mean": is_mean,
            "cells": [
                {"text": cell, "key": _sort_key(keys[place][number]), "number": bool(column.form)}
                for place, (cell, column) in enumerate(zip(cells, shown, strict=True))
            ],
        }
        for number, (cells, is_mean) in enumerate(
            zip(text.to_numpy().tolist(), table.mean_rows(), strict=True)
        )
    ]
    headers = [
        # No line ends within top-1.
        {
            "text": column.header.replace("-1", "\N{NON-BREAKING HYPHEN}1"),
            "number": bool(column.form),
        }
        for column in shown
    ]
    return {"table": table, "headers": headers, "rows": rows}


def _sort_key(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _anchor(*parts: str) -> str:
    return re.sub(r"[^\w-]+", "-", "-".join(parts))


def _overviews(results: Results) -> list[Chart]:
    """Draw accuracy against parameters for each suite and backbone."""
    accuracy, found = read_accuracy(), []
    for _, runs in results.runs.groupby(["suite", "backbone"]):
        suite, backbone = runs["suite"].iloc[0], runs["backbone"].iloc[0]
        rows = task_results(runs, published_tasks(accuracy, suite)).query("not is_mean")
        rows = rows.dropna(subset=["test_top1_mean", "trainable_params"])
        if rows.empty:
            continue
        tasks = rows["task"].tolist()
        name = BACKBONES.get(backbone, "")
        published = accuracy[accuracy["benchmark"] == suite]
        compared = bool(len(published)) and name in set(published["backbone"])
        own = own_points(rows, by_task=not compared).assign(own=True)
        points, lines = own, pd.DataFrame(columns=["method", "top1_percent"])
        caption = f"{suite} on backbone {backbone}: each task's final runs."
        if compared:
            settings = read_author_settings(suite, name.rpartition("_")[0])
            placed, lines = published_points(published, settings, name, tasks)
            points = pd.concat([placed.assign(own=False), own], ignore_index=True)
            caption = (
                f"{suite} on backbone {backbone}: means over {len(tasks)} tasks. Dashed: published "
                "methods whose learned parameters are not at hand. sa2vp: counted on this "
                "project's model at the README's inter_dim."
            )
        title = f"Accuracy against learned parameters, {suite} on {backbone}"
        drawn = Markup(charts.accuracy_by_parameters(title, points, lines))  # noqa: S704
        found.append(Chart(drawn, "Accuracy against parameters", caption))
    return found


def _sections(results: Results) -> list[TaskSection]:
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
    file = f"{_anchor(of.suite, of.task, of.backbone)}.toml"
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


def _search_charts(results: Results, of: _TaskRuns) -> list[Chart]:
    """Draw learning curves, rungs, settings and importances."""
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
        stopped = shown.loc[shown["status"] == "stopped", "epochs_done"].value_counts().sort_index()
        where = ", ".join(f"{count} after epoch {epoch}" for epoch, count in stopped.items())
        caption = f"{some}ASHA stopped {where}." if where else f"{some}ASHA stopped none."
        found.append(_chart("ASHA's rungs", charts.rungs(of.task, shown), caption))
    if shown["last_val_top1"].notna().sum() > 1:
        caption = f"{some}Coloured: ran to the end, blue to orange by accuracy; the others thin."
        found.append(_chart("Settings", charts.parallel_coordinates(of.task, shown), caption))
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
        "best epoch on test": ("best_epoch_test_top1", ".2f"),
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
    """Say what the final runs share: setting, data, weights, versions and commit."""
    if finals.empty:
        return {}
    first = finals.iloc[-1]
    names = [
        "inter_dim", "inter_weight", "lr", "batch_size", "weight_decay", "dropout", "fusion",
        "precision", "image_size", "epochs_planned", "trainable_params", "backbone_fingerprint",
        "data_fingerprint",
    ]  # fmt: skip
    found = {name: str(first[name]) for name in names if not pd.isna(first[name])}
    found["seeds"] = ", ".join(finals["seed"].astype(str))
    found["commit"] = ", ".join(finals["commit"].dropna().unique()) or "unknown"
    versions = finals["versions"].dropna().unique()
    found["versions"] = "; ".join(_versions(text) for text in versions)
    return found


def _versions(text: str) -> str:
    try:
        return ", ".join(f"{name} {number}" for name, number in json.loads(text).items())
    except (ValueError, AttributeError):
        return text
