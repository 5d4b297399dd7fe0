"""One's own data as a .csv or .parquet table of paths, labels and splits."""

from __future__ import annotations

from pathlib import Path

from sa2vp.data.readers.base import Listing, Reader
from sa2vp.data.readers.base.drawing import complete
from sa2vp.data.readers.base.tables import list_table, read_frame
from sa2vp.suites import Task


def _read(task: Task, data: Path) -> Listing:
    del task  # the table says it all
    images, remarks = complete(read_frame(data), data, data.with_name(f"{data.stem}-split.csv"))
    return list_table(images, data.parent, data, remarks=remarks)


READER = Reader(_read, recognises=lambda data: not data.is_dir(), general=True)
