"""Files that are written whole or not at all, and read only where they are files.

A file is written under a temporary name in its own folder, synced, renamed, and its folder is
synced. Whoever looks, at any moment or after a crash of the machine, finds the old file or the new
one, also where the power fails meanwhile. Every file that others read is written so.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".sa2vp-"
"""How temporary names begin. Readers pass over names that begin with a dot."""

LEFT_AFTER_SECONDS = 24 * 3600
"""A temporary file that nobody has written to for so long was left by a process that was killed."""

_UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
"""What is answered where a folder cannot be synced, though files can be made in it.

The first two are those of file systems that know no such thing. The last is that of a folder in
which this user may write, but whose files he may not list: to be synced, it has to be opened for
reading. Nothing else is to be had there.
"""


def write_file(path: Path, content: bytes) -> None:
    """Write or replace a file; it is on the disk when this returns.

    Args:
        path: in a folder that exists.
        content: of the whole file.

    Raises:
        OSError: it cannot be written; the old file, if any, is as it was. Only where the last step
            fails, syncing the folder, may the new one be in its place.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path for what writes by path; its file replaces ``path`` at the end.

    The temporary file lies in the same folder and has the same suffix. No other process or thread
    is given the same one. It is removed where anything is raised.

    Args:
        path: in a folder that exists.

    Raises:
        OSError: as :func:`write_file`; also where nothing was written.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - beside the other calls of one layer
    except BaseException:
        with suppress(OSError):  # what went wrong before counts
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, where they are missing; they are on the disk at the end.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put on the disk which files a folder holds: what was renamed, removed or made in it.

    Raises:
        OSError: the disk refuses.
    """
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise


def open_regular(path: str | Path, most_mib: int) -> BinaryIO:
    """Open a file to read; never waits, as opening a named pipe would.

    Args:
        path: which anybody may have made.
        most_mib: that the file may have.

    Raises:
        OSError: it is not there, no regular file, or too large.
    """
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("no regular file")
    if status.st_size > most_mib * 2**20:
        raise OSError(f"larger than {most_mib} MiB")
    # A pipe that has taken the file's place since then reads as empty.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def read_regular(path: str | Path, most_mib: int) -> bytes:
    """Read a file that :func:`open_regular` opens.

    Raises:
        OSError: as there.
    """
    with open_regular(path, most_mib) as file:
        return file.read(most_mib * 2**20)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes have left in a folder."""
    for temporary in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):  # another process removes it, or it is written after all
            if time.time() - temporary.stat().st_mtime > LEFT_AFTER_SECONDS:
                temporary.unlink()


def sync(path: Path) -> None:
    """Put a file's content on the disk, or which files a folder holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
