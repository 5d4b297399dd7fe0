"""Files of datasets, which anybody may have written: regular ones of a bearable size alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_MIB = 256
"""Of an image, a list, or a file that holds all images of a split."""

_MAX_BYTES = MAX_MIB * 2**20


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read; never waits, as opening a named pipe would.

    Raises:
        OSError: it is not there, no regular file, or too large.
    """
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("no regular file")
    if status.st_size > _MAX_BYTES:
        raise OSError(f"larger than {MAX_MIB} MiB")
    # A pipe that has taken the file's place since then reads as empty.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def read_regular(path: str | Path) -> bytes:
    """Read a file that :func:`open_regular` opens.

    Raises:
        OSError: as there.
    """
    with open_regular(path) as file:
        return file.read(_MAX_BYTES)


def state_of(path: str | Path) -> str:
    """Give what is another whenever a file's content is, without reading it.

    Size and time of change alone stay when a file is replaced and its time set back, as
    ``rsync -t`` does. Nobody can set the time at which the file's own record last changed
    (``ctime``); the inode tells files apart whose folders were exchanged.

    Raises:
        OSError: it is not there.
    """
    status = Path(path).stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
