"""VTAB-1k as dongzelian/SSF distributes it: lines of ``relative/path label``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import FolderSource
from sa2vp.data.readers.base import Listing, Reader, SplitList, find_folder
from sa2vp.data.readers.base.splits import check_name, make_split, read_text, whole_label
from sa2vp.suites import Task

FILES = {"train": "train800.txt", "val": "val200.txt", "test": "test.txt"}
BOTH = "train800val200.txt"
"""What the published code retrains on; it has to be train and val together."""


def read_lists(task: Task, data_dir: Path) -> Listing:
    """Read the three lists of a VTAB-1k task.

    Raises:
        DataError: a list is missing or malformed; names the file and line.
    """
    folder = find_folder(task, data_dir)
    splits = {
        split: make_split(folder / name, _entries(task, folder / name))
        for split, name in FILES.items()
    }
    if (folder / BOTH).exists():
        both = make_split(folder / BOTH, _entries(task, folder / BOTH))
        if _pairs(both) != _pairs(splits["train"]) | _pairs(splits["val"]):
            raise DataError(
                f"{folder / BOTH}: differs from {FILES['train']} and {FILES['val']} together; "
                "unpack the lists again"
            )
    classes = [str(label) for label in range(task.num_classes)]
    return Listing(folder, FolderSource(folder), splits, classes)


def _entries(task: Task, path: Path) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        name, _, label = line.strip().rpartition(" ")
        if not (name and label.isascii() and label.isdecimal()):
            raise DataError(f"{where}: expected 'relative/path label', got {line!r}")
        yield check_name(name.strip(), where), whole_label(label, task, where)


def _pairs(split: SplitList) -> set[tuple[str, int]]:
    return set(zip(split.names, split.labels.tolist(), strict=True))


READER = Reader(read_lists)
