"""Output files: checked before any work, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sa2vp.files import replacing
from sa2vp.use.errors import UseError


def check_target(path: Path, suffixes: Collection[str], *, overwrite: bool) -> None:
    """Refuse a file that could not be written in the end.

    Raises:
        UseError: another suffix, a missing folder, a folder in its place or, without
            ``overwrite``, a file.
    """
    if path.suffix not in suffixes:
        raise UseError(f"--out: {path} must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise UseError(f"--out: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise UseError(f"--out: the folder {path.parent} cannot be written to")
    if path.is_dir():
        raise UseError(f"--out: {path} is a folder; give a file")
    if path.exists() and not overwrite:
        raise UseError(f"--out: {path} exists; choose another file, or replace it with --overwrite")


def missing(path: Path) -> str:
    """Say what is wrong with a path that leads to no regular file."""
    return "no regular file" if path.exists() else "no such file"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside the target, and rename it when everything is written.

    Raises:
        UseError: the file cannot be written.
    """
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise UseError(f"--out: {path} cannot be written: {error}") from error
