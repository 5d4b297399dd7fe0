"""Class folders, divided into splits or not: which split and class each image has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sa2vp.data.errors import DataError
from sa2vp.data.images.pillow import SUFFIXES
from sa2vp.data.readers.base.drawing import UNDIVIDED
from sa2vp.data.readers.base.splits import check_name
from sa2vp.data.readers.base.tables import COLUMNS

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""By what a folder may be called, in small letters, the split that it is."""

SHOWN = 3
"""Folders that a message names; the others it counts."""


def is_image(name: str) -> bool:
    """Tell by its name whether a file in class folders counts as an image.

    What begins with a dot is hidden, and ``__MACOSX`` is what macOS adds to archives.
    """
    *folders, last = name.split("/")
    hidden = (of for of in (*folders, last) if of.startswith(".") or of == "__MACOSX")
    return last.lower().endswith(SUFFIXES) and set(hidden) <= {".", ".."}


def lay_out(names: Iterable[str], where: Path) -> pd.DataFrame:
    """Tell the class of each image and, where they are divided, its split.

    Args:
        names: of image files, as paths from the folder on.
        where: the folder or archive, for messages.

    Returns:
        Text columns ``path``, ``label`` and ``split``.

    Raises:
        DataError: they are in no class folders, or in folders that are no classes.
    """
    parts = [(name, *check_name(name, str(where)).split("/")) for name in sorted(names)]
    tops = sorted({top for _, top, *below in parts if below})
    splits = {top: SPLIT_NAMES[top.lower()] for top in tops if top.lower() in SPLIT_NAMES}
    for split in set(splits.values()):
        same = [top for top, of in splits.items() if of == split]
        if len(same) > 1:
            raise DataError(f"{where}: both {same[0]} and {same[1]} are {split}; keep one of them")
    if not splits:
        rows = [(name, below[0], UNDIVIDED) for name, *below in parts if len(below) > 1]
        if not rows:
            raise DataError(f"{where}: no images in class folders; expected class/image.jpg")
        _check_classes([below for _, *below in parts if len(below) > 1], where)
        return pd.DataFrame(rows, columns=COLUMNS)
    rows = []
    for name, top, *below in parts:
        if top not in splits or not below:
            continue
        if len(below) == 1:
            raise DataError(
                f"{where}: {name} is in no class folder; expected {top}/class/image.jpg, or give "
                "the folder of train alone, which is then split"
            )
        rows.append((name, below[0], splits[top]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _check_classes(paths: list[list[str]], where: Path) -> None:
    """Refuse folders that hold no image but folders of images: these may be the classes."""
    direct = {path[0] for path in paths if len(path) == 2}
    inside = defaultdict(set)
    holders: Counter[str] = Counter()
    for path in paths:
        if path[0] in direct:
            continue
        inside[path[0]].add(path[1])
        above = path[:-2] if len(path) < 4 or path[-3].lower() not in SPLIT_NAMES else path[:-3]
        holders["/".join(above)] += 1
    if not inside:
        return
    of_most = holders.most_common(1)[0][0]
    top = of_most.split("/")[0]
    folders = sorted(inside[top])
    listed = ", ".join(folders[:SHOWN]) + (", ..." if len(folders) > SHOWN else "")
    proposal = f"give --data-dir {where / of_most}"
    if where.is_file():
        proposal = f"unpack it and give its folder {of_most}"
    counted = f"{len(folders)} folders" if len(folders) > 1 else "a folder"
    raise DataError(
        f"{where}: {top} holds no images but {counted} ({listed}), so it is no class; "
        f"{proposal}, or a table of path, label and split"
    )
