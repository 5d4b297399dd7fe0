"""The formats of datasets, a file each. :mod:`~sa2vp.data.readers.base` has their contract."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from sa2vp.data.readers.base import Listing, Reader
from sa2vp.suites import Task

READERS = tuple(module.name for module in iter_modules(__path__) if not module.ispkg)
"""The formats: the names of the files in this folder."""


def find_reader(data_format: str) -> Reader:
    """Give the reader of a format; its file, and what that needs, is imported only now."""
    reader: Reader = import_module(f"{__name__}.{data_format}").READER
    return reader


def read_task(task: Task, data_dir: Path) -> Listing:
    """List the images of a task; none of them is opened.

    Raises:
        DataError: a file is missing or malformed; names it, and the line or entry.
    """
    return find_reader(task.format).read(task, data_dir)


def recognise(data: Path) -> str:
    """Tell the format of one's own data, a folder or a file, by what lies there."""
    readers = {name: find_reader(name) for name in READERS}
    found = [name for name, reader in readers.items() if reader.recognises(data)]
    return min(found, key=lambda name: readers[name].general)
