"""Datasets that torchvision can download, fetched when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.folders import find_folder
from sa2vp.suites import Task
from sa2vp.text import one_line


def _cifar10(folder: Path) -> None:
    from torchvision.datasets import CIFAR10  # noqa: PLC0415 - slow to import, seldom needed

    CIFAR10(folder, download=True)


def _cifar100(folder: Path) -> None:
    from torchvision.datasets import CIFAR100  # noqa: PLC0415

    CIFAR100(folder, download=True)


def _dtd(folder: Path) -> None:
    from torchvision.datasets import DTD  # noqa: PLC0415

    DTD(folder, download=True)


def _food101(folder: Path) -> None:
    from torchvision.datasets import Food101  # noqa: PLC0415

    Food101(folder, download=True)


def _svhn(folder: Path) -> None:
    from torchvision.datasets import SVHN  # noqa: PLC0415

    for split in ("train", "test"):
        SVHN(folder / "svhn", split=split, download=True)


def _gtsrb(folder: Path) -> None:
    from torchvision.datasets import GTSRB  # noqa: PLC0415

    for split in ("train", "test"):
        GTSRB(folder, split=split, download=True)


DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "dtd": _dtd,
    "food101": _food101,
    "svhn": _svhn,
    "gtsrb": _gtsrb,
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
