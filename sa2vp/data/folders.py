"""Where a task's dataset lies below ``--data-dir``."""

from __future__ import annotations

from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.suites import SUITES, Task

DOWNLOADED = ("cifar10", "cifar100", "dtd", "food101", "svhn", "gtsrb")
"""Formats of torchvision, which :mod:`~sa2vp.data.download` can fetch."""


def find_folder(task: Task, data_dir: Path) -> Path:
    """Find a task's dataset by one of its names, in its suite's folder or beside it.

    Raises:
        DataError: it is at none of these places; names them.
    """
    of_suite = SUITES[task.suite].folders
    places = [data_dir / suite / name for suite in of_suite for name in task.folders]
    places += [data_dir / name for name in task.folders]
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(str(place.relative_to(data_dir)) for place in places)
    hint = "; --download fetches it" if task.format in DOWNLOADED else ""
    raise DataError(f"{data_dir}: no folder of {task.suite}/{task.name}; looked for {looked}{hint}")
