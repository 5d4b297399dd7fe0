"""FGVC with the split files of KMnP/vpt: ``{"relative/path.jpg": class_id}``."""

from __future__ import annotations

import os
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import FolderSource
from sa2vp.data.readers.base import SPLITS, Listing, Reader, find_folder
from sa2vp.data.readers.base.splits import check_name, make_split, read_json_object
from sa2vp.suites import Task

IMAGE_FOLDERS = ("", "images/", "Images/")
"""Below a dataset's folder; the split files do not say which."""


def read_json_splits(task: Task, data_dir: Path) -> Listing:
    """Read the three split files of an FGVC task.

    Class ids may be any integers. As VPT does, those of the training split, sorted, become the
    labels from 0 on.

    Raises:
        DataError: a split file is missing or malformed; names the file and entry.
    """
    folder = find_folder(task, data_dir)
    files = {split: folder / f"{split}.json" for split in SPLITS}
    entries = {split: _read(path) for split, path in files.items()}
    ids = sorted(set(entries["train"].values()))
    if len(ids) != task.num_classes:
        raise DataError(f"{files['train']}: has {len(ids)} classes; {task.name} {task.num_classes}")
    labels = {class_id: label for label, class_id in enumerate(ids)}
    below = _image_folder(folder, next(iter(entries["train"])))
    splits = {}
    for split, path in files.items():
        unknown = sorted(set(entries[split].values()) - set(ids))
        if unknown:
            raise DataError(f"{path}: class {unknown[0]} does not occur in {files['train'].name}")
        splits[split] = make_split(
            path, ((below + name, labels[class_id]) for name, class_id in entries[split].items())
        )
    return Listing(folder, FolderSource(folder), splits, [str(class_id) for class_id in ids])


def _read(path: Path) -> dict[str, int]:
    content = read_json_object(path)
    return {check_name(name, str(path)): _class_id(path, name, i) for name, i in content.items()}


def _class_id(path: Path, name: str, class_id: object) -> int:
    if isinstance(class_id, bool) or not isinstance(class_id, int):
        raise DataError(f"{path}: the class of {name} is {class_id!r}, no integer")
    return class_id


def _image_folder(folder: Path, name: str) -> str:
    """Tell below which folder the images lie, by one of them."""
    found = [
        below
        for below in IMAGE_FOLDERS
        if os.path.isfile(folder / f"{below}{name}")  # noqa: PTH113 - a long name is no error
    ]
    return found[0] if found else ""


READER = Reader(read_json_splits)
