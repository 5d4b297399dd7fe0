"""What was found of tasks' data, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from sa2vp.data.check import TaskReport
from sa2vp.data.listing import SPLITS
from sa2vp.printing import Console
from sa2vp.suites import Task


def print_reports(
    console: Console, tasks: Sequence[Task], reports: Mapping[str, TaskReport]
) -> None:
    """Print a row per task, then every problem and remark in a line of its own."""
    table = Table("task", "folder", "classes", "expected", *SPLITS, "problems")
    for task in tasks:
        report = reports[task.name]
        counts = [f"{report.images[split]:,}" if report.images else "" for split in SPLITS]
        problems = str(len(report.problems) or "")
        found = "" if report.classes_in_train is None else str(report.classes_in_train)
        table.add_row(task.name, report.folder, found, str(task.num_classes), *counts, problems)
    console.print(table)
    for task in tasks:
        for line in reports[task.name].problems:
            console.print(f"{task.name}: {line}", soft_wrap=True)
        for line in reports[task.name].remarks:
            console.print(f"{task.name}: remark: {line}", soft_wrap=True)
