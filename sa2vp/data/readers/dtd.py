"""DTD as torchvision keeps it: images in class folders, listed by ``labels/*1.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import FolderSource
from sa2vp.data.readers.base import SPLITS, Listing, Reader, find_folder
from sa2vp.data.readers.base.splits import check_name, make_split, read_text
from sa2vp.suites import Task


def read_dtd(task: Task, data_dir: Path) -> Listing:
    """List the textures, by the first of the dataset's ten divisions.

    Raises:
        DataError: a list is missing or malformed; names the line.
    """
    folder = find_folder(task, data_dir)
    files = {split: folder / "labels" / f"{split}1.txt" for split in SPLITS}
    entries = {split: list(_entries(path)) for split, path in files.items()}
    classes = sorted({of_class for _, of_class in entries["train"]})
    if len(classes) != task.num_classes:
        raise DataError(
            f"{files['train']}: has {len(classes)} classes; {task.name} {task.num_classes}"
        )
    labels = {name: label for label, name in enumerate(classes)}
    for split, path in files.items():
        unknown = {of_class for _, of_class in entries[split]} - labels.keys()
        if unknown:
            raise DataError(f"{path}: class {min(unknown)} does not occur in train1.txt")
    splits = {
        split: make_split(path, ((name, labels[of_class]) for name, of_class in entries[split]))
        for split, path in files.items()
    }
    return Listing(folder, FolderSource(folder), splits, classes)


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        where = f"{path}:{number}"
        of_class, slash, image = name.partition("/")
        if not (of_class and slash and image):
            raise DataError(f"{where}: expected 'class/image.jpg', got {line!r}")
        yield check_name(f"images/{name}", where), of_class


READER = Reader(read_dtd)
