"""``python -m sa2vp.data``: what tasks there are, and whether their data is there and whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from command_line import counting, refuse, run
from sa2vp.data.check import check_task, print_reports
from sa2vp.data.custom import custom_task
from sa2vp.data.download import download_missing
from sa2vp.data.errors import DataError
from sa2vp.data.options import DataOptions
from sa2vp.printing import Console
from sa2vp.suites import SUITES, TASKS, Task, suite_tasks

console = Console()
app = typer.Typer(add_completion=False)

Suite = Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(SUITES)}.")]
TaskNames = Annotated[
    str | None, typer.Option("--tasks", metavar="A,B", help="Some of the suite's. Default: all.")
]


@app.command()
def tasks(suite: Annotated[str | None, typer.Option(metavar="NAME")] = None) -> int:
    """List the tasks, and what their datasets' folders are called."""
    table = Table("suite", "task", "group", "classes", "format", "transform", "folder")
    for task in TASKS if suite is None else find_tasks(suite, None, None):
        names = " or ".join(task.folders)
        table.add_row(
            task.suite, task.name, task.group, str(task.num_classes), task.format, task.transform,
            names,
        )  # fmt: skip
    console.print(table)
    return 0


@app.command()
def download(
    suite: Suite,
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where the datasets are kept.")],
    task_names: TaskNames = None,
) -> int:
    """Download what is missing and torchvision can fetch: six of the HTA tasks."""
    found = find_tasks(suite, task_names, data_dir)
    download_missing(found, data_dir, console.print)
    return 0


@app.command()
def check(
    suite: Suite,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The datasets, or your own.")
    ] = None,
    task_names: TaskNames = None,
    cache_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where what was found is remembered.")
    ] = None,
) -> int:
    """Check lists, labels, overlaps and every image of a suite's tasks."""
    found = find_tasks(suite, task_names, data_dir)
    if not SUITES[suite].brings_images and (data_dir is None or not data_dir.exists()):
        raise DataError(f"--data-dir: no such folder: {data_dir}")
    options = DataOptions(
        data_dir=None if data_dir is None else str(data_dir.resolve()),
        cache_dir=None if cache_dir is None else str(cache_dir.absolute()),
    )
    with counting("images checked") as progress:
        reports = {task.name: check_task(task, options, progress) for task in found}
    print_reports(console, found, reports)
    return 1 if any(report.problems for report in reports.values()) else 0


def find_tasks(suite: str, names: str | None, data_dir: Path | None) -> list[Task]:
    """Find a suite's tasks.

    Raises:
        DataError: the suite or a task is unknown, or one's own data is malformed.
    """
    if suite in SUITES and SUITES[suite].own_data:
        if data_dir is None or not data_dir.exists():
            raise DataError(f"--data-dir: no such folder or table: {data_dir}")
        return [custom_task(data_dir)]
    try:
        return suite_tasks(suite, None if names is None else names.split(","))
    except ValueError as error:
        raise DataError(str(error)) from error


def main() -> int:
    """Run the command; give the exit code."""
    try:
        return run(app, "python -m sa2vp.data", sys.argv[1:])
    except (DataError, OSError) as error:  # also of paths that no file system can follow
        return refuse("python -m sa2vp.data", error)


if __name__ == "__main__":
    sys.exit(main())
