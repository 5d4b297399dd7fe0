"""From a dataset's folder to the list of its images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sa2vp.data.custom import read_custom
from sa2vp.data.readers.base import Listing
from sa2vp.data.readers.cifar import read_cifar
from sa2vp.data.readers.dtd import read_dtd
from sa2vp.data.readers.food101 import read_food101
from sa2vp.data.readers.gtsrb import read_gtsrb
from sa2vp.data.readers.json_splits import read_json_splits
from sa2vp.data.readers.lists import read_lists
from sa2vp.data.readers.svhn import read_svhn
from sa2vp.suites import Task

READERS: dict[str, Callable[[Task, Path], Listing]] = {
    "json": read_json_splits,
    "lists": read_lists,
    "cifar10": read_cifar,
    "cifar100": read_cifar,
    "svhn": read_svhn,
    "dtd": read_dtd,
    "food101": read_food101,
    "gtsrb": read_gtsrb,
    "custom": read_custom,
}
"""By format, what reads a task's dataset below ``--data-dir``."""


def read_task(task: Task, data_dir: Path) -> Listing:
    """List the images of a task; none of them is opened.

    Raises:
        DataError: a file is missing or malformed; names it, and the line or entry.
    """
    return READERS[task.format](task, data_dir)
