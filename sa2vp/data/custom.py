"""One's own data as a task, in whichever format they are."""

from __future__ import annotations

import re
from pathlib import Path

from sa2vp.data.readers import read_task, recognise
from sa2vp.data.readers.base import Listing
from sa2vp.suites import CUSTOM, Task


def custom_task(data: Path) -> Task:
    """Describe one's own data as a task.

    Args:
        data: a folder or a file that a reader recognises.

    Raises:
        DataError: none does, or it is malformed.
    """
    listing = list_custom(data)
    name = re.sub(r"[^a-z0-9]+", "_", data.resolve().stem.lower()).strip("_")
    return _task(data, name or CUSTOM.name, len(listing.classes))


def list_custom(data: Path) -> Listing:
    """List the images of one's own data; arguments and errors as :func:`custom_task`."""
    return read_task(_task(data, CUSTOM.name, num_classes=0), data)


def _task(data: Path, name: str, num_classes: int) -> Task:
    return CUSTOM.adopt(
        Task(
            name=name,
            num_classes=num_classes,
            summary=f"images of {data}",
            format=recognise(data),
        )
    )
