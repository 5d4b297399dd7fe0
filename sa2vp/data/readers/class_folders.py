"""One's own data as a folder of class folders, divided into splits or not yet."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from sa2vp.data.errors import DataError
from sa2vp.data.images.pillow import SUFFIXES
from sa2vp.data.readers.base import SPLITS, Listing, Reader
from sa2vp.data.readers.base.splits import check_name
from sa2vp.data.readers.table import list_table, no_dataset, read_table
from sa2vp.files import write_file
from sa2vp.suites import Task

SPLIT_FILE = "sa2vp-split.csv"
"""Where a split that is made here is written down, so that it is used again."""

SPLIT_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}

SEED = 0
HELD_OUT = 0.4
"""Share of a folder's images that are not for training; half of them is val, half test."""


def list_folder(data: Path) -> Listing:
    """List images by their split and class.

    Args:
        data: a folder with ``train``, ``val`` and ``test``, each with a folder per class; or a
            folder with ``train`` alone, or with the class folders themselves, which is split here,
            once.

    Raises:
        DataError: it is none of these, or malformed; names the file or folder.
    """
    if not data.is_dir():
        raise no_dataset(data)
    found = {
        split: next((data / name for name in names if (data / name).is_dir()), None)
        for split, names in SPLIT_FOLDERS.items()
    }
    if all(found.values()):
        frames = [
            _class_folders(data, folder).assign(split=s) for s, folder in found.items() if folder
        ]
        return list_table(pd.concat(frames), data, data)
    if found["val"] or found["test"]:
        missing = ", ".join(split for split, folder in found.items() if folder is None)
        raise DataError(
            f"{data}: has no folder {missing}; give train, val and test, or train alone"
        )
    if not (data / SPLIT_FILE).exists():
        _write_split(data, _class_folders(data, found["train"] or data))
    listing = read_table(data / SPLIT_FILE, data)
    _check_complete(data, listing, _class_folders(data, found["train"] or data))
    return listing


def _class_folders(root: Path, folder: Path) -> pd.DataFrame:
    """List the images of class folders: path relative to ``root``, and label."""
    rows = [
        (check_name(path.relative_to(root).as_posix(), str(root)), of_class.name)
        for of_class in sorted(folder.iterdir())
        if of_class.is_dir() and not of_class.name.startswith(".")
        for path in sorted(of_class.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not rows:
        raise DataError(f"{folder}: no images in class folders; expected class/image.jpg")
    return pd.DataFrame(rows, columns=["path", "label"])


def _write_split(data: Path, images: pd.DataFrame) -> None:
    """Divide images by class, 60, 20 and 20 %, and write down how."""
    few = [label for label, count in Counter(images["label"]).items() if count < 5]
    if few:
        raise DataError(
            f"{data}: class {few[0]} has fewer than 5 images; give train, val and test folders"
        )
    rest, held_out = train_test_split(
        images, test_size=HELD_OUT, stratify=images["label"], random_state=SEED
    )
    val, test = train_test_split(
        held_out, test_size=0.5, stratify=held_out["label"], random_state=SEED
    )
    parts = zip((rest, val, test), SPLITS, strict=True)
    table = pd.concat([part.assign(split=split) for part, split in parts]).sort_values("path")
    try:
        # Names may hold line breaks.
        write_file(data / SPLIT_FILE, table.to_csv(index=False, quoting=csv.QUOTE_ALL).encode())
    except OSError as error:
        raise DataError(
            f"{data / SPLIT_FILE}: cannot be written ({error.strerror}); give a table of path, "
            "label and split instead of the folder"
        ) from error


def _check_complete(data: Path, listing: Listing, images: pd.DataFrame) -> None:
    """Refuse a written split of other images than there are now."""
    listed, there = set(listing.names(SPLITS)), set(images["path"])
    if listed != there:
        name = min(listed ^ there)
        raise DataError(
            f"{data / SPLIT_FILE}: {'lacks' if name in there else 'lists the missing'} {name}; "
            "delete the file to split anew"
        )


def _read(task: Task, data: Path) -> Listing:
    del task  # the folders say it all
    return list_folder(data)


READER = Reader(_read, recognises=Path.is_dir, general=True)
