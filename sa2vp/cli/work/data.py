"""Lists tasks, checks their data and downloads it."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from sa2vp.cli.counting import counting
from sa2vp.cli.data import CheckOptions, DownloadOptions, TasksOptions
from sa2vp.cli.terminal import console
from sa2vp.data.check import check_task, print_reports
from sa2vp.data.custom import custom_task
from sa2vp.data.download import download_missing
from sa2vp.data.errors import DataError
from sa2vp.data.options import DataOptions
from sa2vp.suites import SUITES, TASKS, Task, named_columns, suite_tasks


def show_tasks(options: TasksOptions) -> int:
    """List tasks; give the exit code."""
    table = Table("suite", "task", "group", "classes", "format", "transform", "folder")
    for task in TASKS:
        if options.suite in (None, task.suite):
            table.add_row(
                task.suite, task.name, task.group, str(task.num_classes), task.format,
                task.transform, " or ".join(task.folders),
            )  # fmt: skip
    console.print(table)
    return 0


def download(options: DownloadOptions) -> int:
    """Download what is missing; give the exit code.

    Raises:
        DataError: a task is unknown, or a download fails.
    """
    found = find_tasks(options.suite, options.tasks, options.data_dir)
    download_missing(found, options.data_dir, console.print)
    return 0


def check(options: CheckOptions) -> int:
    """Check tasks and print what was found; give the exit code.

    Raises:
        DataError: a task is unknown, or there is no such folder.
    """
    data_dir, cache_dir = options.data_dir, options.cache_dir
    columns = named_columns(options.image_column, options.label_column, options.split_column)
    found = find_tasks(options.suite, options.tasks, data_dir, columns)
    if not SUITES[options.suite].brings_images and (data_dir is None or not data_dir.exists()):
        raise DataError(f"--data-dir: no such folder: {data_dir}")
    places = DataOptions(
        data_dir=None if data_dir is None else str(data_dir.resolve()),
        cache_dir=None if cache_dir is None else str(cache_dir.absolute()),
    )
    with counting("images checked") as progress:
        reports = {task.name: check_task(task, places, progress) for task in found}
    print_reports(console, found, reports)
    return 1 if any(report.problems for report in reports.values()) else 0


def find_tasks(
    suite: str, names: str | None, data_dir: Path | None, columns: tuple[str, ...] = ()
) -> list[Task]:
    """Find a suite's tasks.

    Args:
        suite: its name.
        names: of some of its tasks; None is all.
        data_dir: as given.
        columns: as a task has them; suites other than one's own have none.

    Raises:
        DataError: a task is unknown, or one's own data is malformed.
    """
    if SUITES[suite].own_data:
        if data_dir is None or not data_dir.exists():
            raise DataError(f"--data-dir: no such folder or table: {data_dir}")
        return [custom_task(data_dir, columns)]
    if columns:
        raise DataError(f"suite {suite} knows its lists; leave the names of columns out")
    try:
        return suite_tasks(suite, None if names is None else names.split(","))
    except ValueError as error:
        raise DataError(str(error)) from error
