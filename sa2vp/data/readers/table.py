"""One's own data as a .csv or .parquet table of paths, labels and splits."""

from __future__ import annotations

from pathlib import Path

from sa2vp.data.readers.base import Listing, Reader
from sa2vp.data.readers.base.drawing import complete
from sa2vp.data.readers.base.layout import SPLIT_NAMES
from sa2vp.data.readers.base.tables import COLUMNS, list_table, read_frame
from sa2vp.suites import Task


def _read(task: Task, data: Path) -> Listing:
    """List what a table says; where its columns are named, none has to be of splits."""
    named = task.columns or ("",) * len(COLUMNS)
    columns = [name or usual for name, usual in zip(named, COLUMNS, strict=True)]
    images = read_frame(data, columns, divided=bool(named[-1] or not any(named)))
    if named[-1]:  # another's table, with another's names of the splits
        images["split"] = [SPLIT_NAMES.get(name.lower(), name) for name in images["split"]]
    images, remarks = complete(images, data, data.with_name(f"{data.stem}-split.csv"))
    return list_table(images, data.parent, data, remarks=remarks)


READER = Reader(_read, recognises=lambda data: not data.is_dir(), general=True, has_columns=True)
