"""Datasets that torchvision can download, fetched when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

from sa2vp.data.folders import find_folder
from sa2vp.data.listing import DataError
from sa2vp.data.tasks import Task
from sa2vp.text import one_line


def _fetch(dataset: str, folder: Path, *, below: str = "", splits: Sequence[str] = ()) -> None:
    """Have torchvision download a dataset; it is imported now, since it is slow and seldom needed.

    Args:
        dataset: name of its class in torchvision.
        folder: of the suite.
        below: folder in it that torchvision does not make itself.
        splits: that are downloaded one by one; none where they come together.
    """
    fetch = resolve_name(f"torchvision.datasets:{dataset}")
    for split in splits or (None,):
        fetch(folder / below, **({} if split is None else {"split": split}), download=True)


DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "cifar10": partial(_fetch, "CIFAR10"),
    "cifar100": partial(_fetch, "CIFAR100"),
    "dtd": partial(_fetch, "DTD"),
    "food101": partial(_fetch, "Food101"),
    "svhn": partial(_fetch, "SVHN", below="svhn", splits=("train", "test")),
    "gtsrb": partial(_fetch, "GTSRB", splits=("train", "test")),
}
"""By a task's format, what fetches its dataset into a folder, checksums included."""


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
        if task.format in DOWNLOADS and not _is_there(task, data_dir):
            folder = data_dir / task.suite
            say(f"{task.name}: downloading to {folder}")
            try:
                folder.mkdir(parents=True, exist_ok=True)
                DOWNLOADS[task.format](folder)
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
