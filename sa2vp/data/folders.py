"""Where a task's dataset lies below ``--data-dir``."""

from __future__ import annotations

from pathlib import Path

from sa2vp.data.listing import DataError
from sa2vp.data.tasks import Task

SUITE_FOLDERS = {"vtab-1k": ("vtab-1k", "vtab"), "hta": ("hta", "fgvc")}
"""Names that a suite's own folder has, where not the suite's alone; HTA has four tasks of FGVC."""


DOWNLOADED = ("cifar10", "cifar100", "dtd", "food101", "svhn", "gtsrb")
"""Formats of torchvision, which :mod:`~sa2vp.data.download` can fetch."""


def find_folder(task: Task, data_dir: Path) -> Path:
    """Find a task's dataset by one of its names, in its suite's folder or beside it.

    Raises:
        DataError: it is at none of these places; names them.
    """
    suites = SUITE_FOLDERS.get(task.suite, (task.suite,))
    places = [data_dir / suite / name for suite in suites for name in task.folders]
    places += [data_dir / name for name in task.folders]
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(str(place.relative_to(data_dir)) for place in places)
    hint = "; --download fetches it" if task.format in DOWNLOADED else ""
    raise DataError(f"{data_dir}: no folder of {task.suite}/{task.name}; looked for {looked}{hint}")
