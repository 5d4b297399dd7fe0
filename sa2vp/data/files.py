"""Files of datasets: how large they may be, and how a change of one is noticed."""

from __future__ import annotations

from pathlib import Path

MAX_MIB = 256
"""Of an image, a list, or a file that holds all images of a split."""


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
