"""Files are the old ones or the new ones, whole, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from power import Disk, cutting

from sa2vp.files import make_folder, remove_leftovers, replacing, write_file

OLD, NEW = b"old" * 1000, b"new" * 2000


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_power_cut_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    root, left = tmp_path / "disk", tmp_path / "left"
    root.mkdir()
    left.mkdir()
    (root / "file").write_bytes(OLD)
    found: list[bytes] = []

    def cut(disk: Disk) -> None:
        for keeps in (True, False):
            folder = left / str(len(found))
            disk.cut(folder, lambda _, keeps=keeps: keeps)
            found.append((folder / "file").read_bytes())

    with cutting(root, cut):
        write_file(root / "file", NEW)
    assert set(found) == {OLD, NEW}


def test_what_was_written_is_there_after_a_cut(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    last: list[Disk] = []
    with cutting(root, last.append):
        make_folder(root / "a" / "b")
        write_file(root / "a" / "b" / "file", NEW)
        with replacing(root / "a" / "other.csv") as temporary:
            temporary.write_text("x")
    last[-1].cut(tmp_path / "left", lambda _: False)
    assert (tmp_path / "left" / "a" / "b" / "file").read_bytes() == NEW
    assert (tmp_path / "left" / "a" / "other.csv").read_text() == "x"


def test_the_test_notices_what_is_not_synced(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    (root / "file").write_bytes(OLD)
    last: list[Disk] = []
    with cutting(root, last.append):
        (root / "other").write_bytes(NEW)
        (root / "other").replace(root / "file")
    last[-1].cut(tmp_path / "kept", lambda _: True)
    assert (tmp_path / "kept" / "file").read_bytes() == b""
    last[-1].cut(tmp_path / "lost", lambda _: False)
    assert (tmp_path / "lost" / "file").read_bytes() == OLD


def test_a_folder_that_may_be_written_but_not_listed_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refuse(path: Path, *options: int) -> int:
        if Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *options)

    monkeypatch.setattr(os, "open", refuse)
    make_folder(tmp_path / "a" / "b")
    write_file(tmp_path / "file", NEW)
    assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "file").read_bytes() == NEW


def test_what_is_no_matter_of_folders_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def fail(path: Path, *options: int) -> int:
        if Path(path) == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, *options)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="Input/output error"):
        make_folder(tmp_path / "a")


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)

    def fail() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_bytes(NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
        pass  # nothing was written
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "nowhere" / "file", NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    contents = [bytes([letter]) * 100_000 for letter in b"abcd"]

    def write(content: bytes) -> None:
        for _ in range(10):
            write_file(tmp_path / "file.bin", content)

    threads = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_a_file_has_the_mode_of_any_other_and_may_have_the_longest_name(tmp_path: Path) -> None:
    longest = tmp_path / f"{'x' * 247}.parquet"
    write_file(longest, NEW)
    (tmp_path / "plain").touch()
    assert longest.stat().st_mode == (tmp_path / "plain").stat().st_mode
    with replacing(longest) as temporary:
        assert (temporary.suffix, temporary.parent) == (".parquet", tmp_path)
        temporary.write_bytes(OLD)
    assert longest.read_bytes() == OLD


def test_what_killed_processes_left_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    write_file(tmp_path / "file", NEW)
    with replacing(tmp_path / "file") as left, replacing(tmp_path / "file") as written:
        for temporary in (left, written):
            temporary.write_bytes(OLD)
        os.utime(left, (0, 0))
        os.utime(tmp_path / "file", (0, 0))
        remove_leftovers(tmp_path)
        assert sorted(tmp_path.iterdir()) == [written, tmp_path / "file"]
        left.touch()  # for the end of this test
