"""One's own data as a task, in whichever format they are."""

from __future__ import annotations

import re
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.readers import find_reader, read_task, recognise
from sa2vp.data.readers.base import Listing
from sa2vp.suites import CUSTOM, Task


def custom_task(data: Path, columns: tuple[str, ...] = ()) -> Task:
    """Describe one's own data as a task.

    Args:
        data: a folder or a file that a reader recognises.
        columns: as a task has them.

    Raises:
        DataError: no reader recognises the data, they are malformed, or have no columns.
    """
    listing = list_custom(data, columns)
    name = re.sub(r"[^a-z0-9]+", "_", data.resolve().stem.lower()).strip("_")
    return _task(data, name or CUSTOM.name, len(listing.classes), columns)


def list_custom(data: Path, columns: tuple[str, ...] = ()) -> Listing:
    """List the images of one's own data; arguments and errors as :func:`custom_task`."""
    return read_task(_task(data, CUSTOM.name, 0, columns), data)


def _task(data: Path, name: str, num_classes: int, columns: tuple[str, ...]) -> Task:
    data_format = recognise(data)
    if any(columns) and not find_reader(data_format).has_columns:
        raise DataError(f"{data}: columns are named, but it is no table; give the table itself")
    return CUSTOM.adopt(
        Task(
            name=name,
            num_classes=num_classes,
            summary=f"images of {data}",
            format=data_format,
            columns=columns,
        )
    )
