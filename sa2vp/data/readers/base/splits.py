"""Splits: read from files and checked; where a dataset has no validation split, it is held out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import MAX_MIB
from sa2vp.data.readers.base import SplitList
from sa2vp.files import read_regular
from sa2vp.suites import Task

HELD_OUT = 0.2
"""Share of the training images that becomes val."""

SEED = 0


def read_text(path: Path) -> str:
    """Read a split file.

    Raises:
        DataError: it is missing, or no UTF-8 text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")  # some editors begin with a mark
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def read_bytes(path: Path) -> bytes:
    """Read a file that lists images or holds them.

    Raises:
        DataError: it is missing, or cannot be read.
    """
    try:
        return read_regular(path, MAX_MIB)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_json_object(path: Path) -> dict[str, object]:
    """Read a split file in JSON.

    Raises:
        DataError: it is missing, no JSON object, or has a key twice.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{path}: lists {twice} twice")
        return dict(pairs)

    try:
        content = json.loads(read_text(path), object_pairs_hook=unique)
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f'{path}: expected a JSON object, {{"...": ...}}')
    return content


def whole_label(text: str, task: Task, where: str) -> int:
    """Read a label.

    Raises:
        DataError: it is no whole number, or none of the task's.
    """
    number = text.lstrip("0") or "0"
    known = text.isascii() and text.isdecimal() and len(number) <= len(str(task.num_classes))
    if not known or int(number) >= task.num_classes:
        raise DataError(
            f"{where}: label {text} of {task.name} is not from 0 to {task.num_classes - 1}"
        )
    return int(number)


def check_name(name: str, where: str) -> str:
    """Refuse an image path that leaves its dataset's folder, or that no table can hold.

    Raises:
        DataError: names where it stands.
    """
    if not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise DataError(f"{where}: {name!r} is no path inside the dataset's folder")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{where}: the name {name!r} is not UTF-8; rename it") from None
    return name


def make_split(path: Path, entries: Iterable[tuple[str, int]]) -> SplitList:
    """Make a split of names and labels that were read from a file.

    Raises:
        DataError: it is empty, or names an image twice.
    """
    pairs = list(entries)
    if not pairs:
        raise DataError(f"{path}: lists no image")
    labels: dict[str, int] = {}
    for name, label in pairs:
        if name in labels:
            raise DataError(f"{path}: lists {name} twice")
        labels[name] = label
    return SplitList(list(labels), np.array(list(labels.values()), np.int64))


def hold_out(images: SplitList) -> tuple[SplitList, SplitList]:
    """Divide what a dataset trains on into train and val.

    DAM-VP's rule: the last 20 % of a seeded shuffle are val. The shuffle is that of
    ``numpy.random.RandomState``, which no version of NumPy changes.
    """
    shuffled = np.random.RandomState(SEED).permutation(len(images))
    kept = len(images) - round(HELD_OUT * len(images))
    train, val = (np.sort(part) for part in np.split(shuffled, [kept]))
    return _pick(images, train), _pick(images, val)


def _pick(images: SplitList, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> SplitList:
    return SplitList([images.names[place] for place in places.tolist()], images.labels[places])
