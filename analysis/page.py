"""The report as one HTML page: tables, the charts of each task, and where numbers come from."""

from __future__ import annotations

from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from analysis import charts
from analysis.comparison import methods_compared, rank_notes
from analysis.frames import Results
from analysis.layout import Table
from analysis.paper_report import BACKBONES
from analysis.parameters import own_points, published_points
from analysis.published import comparable, read_accuracy, read_author_settings
from analysis.report import published_tasks
from analysis.sections import Chart, task_sections
from analysis.tables import task_results
from sa2vp.results.names import PLAIN_METHOD
from sa2vp.results.schema import STATUSES
from sa2vp.text import printable


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
        finalize=_shown,
    )
    runs = results.runs
    counts = {status: int((runs["status"] == status).sum()) for status in STATUSES}
    text: str = environment.get_template("report.html.j2").render(
        title="SA2VP results" if len(runs) else "SA2VP, published results",
        location=results.location,
        counts={status: count for status, count in counts.items() if count},
        tables=[_table(table) for table in tables],
        overviews=_overviews(results),
        sections=task_sections(results),
        refresh_seconds=refresh_seconds,
    )
    return text


def _shown(value: Any) -> Any:
    """Make text printable; markup is this project's own."""
    return printable(value) if type(value) is str else value


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


def _ranks(runs: pd.DataFrame) -> list[Chart]:
    """Draw the mean ranks of a suite's methods on a backbone, where there are at least two."""
    _, ranks = methods_compared(runs, PLAIN_METHOD)
    if ranks is None:
        return []
    title = f"Mean ranks, {runs['suite'].iloc[0]} on {runs['backbone'].iloc[0]}"
    drawn = Markup(charts.critical_differences(title, ranks))  # noqa: S704 - matplotlib escapes it
    return [Chart(drawn, "Critical differences", " ".join(rank_notes(ranks)))]


def _overviews(results: Results) -> list[Chart]:
    """Draw accuracy against parameters for each suite and backbone."""
    accuracy, found = read_accuracy(), []
    for _, runs in results.runs.groupby(["suite", "backbone"]):
        suite, backbone = runs["suite"].iloc[0], runs["backbone"].iloc[0]
        found += _ranks(runs)
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
            published = comparable(published, suite, name)
            settings = read_author_settings(suite, name.rpartition("_")[0])
            placed, lines = published_points(published, settings, name, tasks)
            points = pd.concat([placed.assign(own=False), own], ignore_index=True)
            caption = (
                f"{suite} on backbone {backbone}: means over {len(tasks)} tasks. Dashed: published "
                "methods whose learned parameters are not at hand. The others' are counted on this "
                "project's models: sa2vp's at the README's inter_dim, VPT's at its prompt lengths."
            )
        title = f"Accuracy against learned parameters, {suite} on {backbone}"
        drawn = Markup(charts.accuracy_by_parameters(title, points, lines))  # noqa: S704
        found.append(Chart(drawn, "Accuracy against parameters", caption))
    return found
