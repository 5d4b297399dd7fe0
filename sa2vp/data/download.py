"""Datasets that torchvision can download, fetched when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.readers.base import find_folder
from sa2vp.suites import Task
from sa2vp.text import one_line

BY_SPLIT = {"SVHN": "svhn", "GTSRB": ""}
"""Classes of torchvision that fetch one split at a time, and the folder that each is to fill."""


def download_missing(tasks: Sequence[Task], data_dir: Path, say: Callable[[str], None]) -> None:
    """Download what is not there and torchvision can fetch, into the suite's folder.

    Args:
        tasks: whose datasets.
        data_dir: of the datasets; made where need be.
        say: is told of each download before it begins.

    Raises:
        DataError: a download fails; what was fetched whole stays.
    """
    for task in tasks:
        if task.download and not _is_there(task, data_dir):
            folder = data_dir / task.suite
            say(f"{task.name}: downloading to {folder}")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _fetch(task.download, folder)
            except (OSError, RuntimeError) as error:  # as torchvision and urllib raise
                raise DataError(
                    f"{task.suite}/{task.name}: cannot be downloaded ({one_line(error)}); "
                    "fetch it by hand, as docs/data.md says"
                ) from error


def _is_there(task: Task, data_dir: Path) -> bool:
    try:
        find_folder(task, data_dir)
    except DataError:
        return False
    return True


def _fetch(name: str, folder: Path) -> None:
    """Fetch a dataset into a folder, checksums included."""
    from torchvision import datasets  # noqa: PLC0415 - slow to import, seldom needed

    fetch = getattr(datasets, name)
    if name in BY_SPLIT:
        for split in ("train", "test"):
            fetch(folder / BY_SPLIT[name], split=split, download=True)
    else:
        fetch(folder, download=True)
