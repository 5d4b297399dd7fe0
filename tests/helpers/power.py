"""A disk that forgets what was not synced, for tests that cut the power at every moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Entries = dict[str, int]
"""Of a folder: inode by name."""


class Disk:
    """What a power cut leaves of a folder, followed through the calls that change it.

    A file keeps the content it had when it was last synced, and a cut loses all of it that was
    changed since. Which files a folder holds is kept as it was when the folder was last synced;
    what was renamed, made or removed since may be kept or lost, each name by itself.

    Args:
        root: the folder; what it holds at first is on the disk.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._folders: dict[int, Entries] = {}
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            self.sync(folder)
            for file in folder.iterdir():
                if file.is_file():
                    self.sync(file)

    def sync(self, path: Path) -> None:
        """Put a file's content, or which files a folder holds, on the disk."""
        if path.is_dir():
            self._folders[inode(path)] = entries(path)
        else:
            self._contents[inode(path)] = path.read_bytes()

    def cut(self, target: Path, keeps: Callable[[str], bool]) -> None:
        """Write down what a cut at this moment leaves.

        Args:
            target: a new folder that gets it.
            keeps: tells of a name whether what became of it since its folder was synced is kept.
        """
        self._leave(inode(self._root), self._root, target, keeps)

    def _leave(self, number: int, now: Path, target: Path, keeps: Callable[[str], bool]) -> None:
        target.mkdir()
        new = entries(now) if now.is_dir() else {}
        old = self._folders.get(number, {})
        for name in sorted(old.keys() | new.keys()):
            found = (new if keeps(name) else old).get(name)
            if found is None:
                continue
            if found in self._folders or (new.get(name) == found and (now / name).is_dir()):
                self._leave(found, now / name, target / name, keeps)
            else:
                (target / name).write_bytes(self._content(found))

    def _content(self, number: int) -> bytes:
        """Give a file's synced content; where it was changed since, nothing."""
        kept = self._contents.get(number, b"")
        now = next((p for p in self._root.rglob("*") if p.is_file() and inode(p) == number), None)
        return kept if now is None or now.read_bytes() == kept else b""


def inode(path: Path) -> int:
    return path.stat().st_ino


def entries(folder: Path) -> Entries:
    return {path.name: inode(path) for path in folder.iterdir()}


@contextmanager
def cutting(root: Path, moment: Callable[[Disk], None]) -> Iterator[None]:
    """Follow what this process does to a folder, and ask what a cut would leave at each moment.

    Args:
        root: the folder.
        moment: is given the disk before each call that changes the folder, and at the end.
    """
    disk = Disk(root)
    looking = False

    def look() -> None:
        nonlocal looking
        if not looking:  # what a look itself writes is not followed
            looking = True
            moment(disk)
            looking = False

    def watched(call: Callable[..., None]) -> Callable[..., None]:
        def then(*arguments: object, **options: object) -> None:
            look()
            call(*arguments, **options)

        return then

    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_relative_to(root):
            disk.sync(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", watched(sync))
        for name in ("replace", "rename", "unlink", "remove", "mkdir"):
            patch.setattr(os, name, watched(getattr(os, name)))
        yield
        look()
