"""One's own data as a folder of class folders, divided into splits or not yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.readers.base import Listing, Reader
from sa2vp.data.readers.base.drawing import complete
from sa2vp.data.readers.base.layout import SPLIT_NAMES, is_image, lay_out
from sa2vp.data.readers.base.tables import list_table, no_dataset
from sa2vp.suites import Task

SPLIT_FILE = "sa2vp-split.csv"
"""Where a split that is made here is written down, so that it is used again."""

FOLLOWED = 2
"""Depth down to which links to folders are followed: those of splits and classes."""


def list_folder(data: Path) -> Listing:
    """List images by their split and class.

    Args:
        data: a folder with folders of splits, each with a folder per class, or with the class
            folders themselves. Splits that it lacks are drawn here, once.

    Raises:
        DataError: it is none of these, or malformed; names the file or folder.
    """
    if not data.is_dir():
        raise no_dataset(data)
    names = list(_files(str(data), "", 0))
    images = lay_out((name for name in names if is_image(name)), data)
    held = {path.split("/")[0] for path in images["path"]}
    for folder in sorted(data.iterdir()):
        if folder.name.lower() in SPLIT_NAMES and folder.is_dir() and folder.name not in held:
            raise DataError(f"{folder}: no images in class folders; expected class/image.jpg")
    divided, remarks = complete(images, data, data / SPLIT_FILE)
    return list_table(divided, data, data, remarks=remarks)


def _files(folder: str, prefix: str, depth: int) -> Iterator[str]:
    """List the files below a folder, as paths from it on."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror})") from error
    for entry in found:
        if entry.is_dir(follow_symlinks=depth < FOLLOWED):
            if not entry.name.startswith("."):
                yield from _files(entry.path, f"{prefix}{entry.name}/", depth + 1)
        else:
            yield f"{prefix}{entry.name}"


def _read(task: Task, data: Path) -> Listing:
    del task  # the folders say it all
    return list_folder(data)


READER = Reader(_read, recognises=Path.is_dir, general=True)
