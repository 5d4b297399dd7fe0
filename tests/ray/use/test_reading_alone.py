"""Results are read where nothing can be written, and while others pack them."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import reproduce_tables
from sa2vp.cli.commands import run
from sa2vp.results.packing import pack
from sa2vp.use.final_runs import load_final_run

NOBODY = 65534
FINAL = "demo-digits-final-seed1"

LINUX_CAPABILITY_VERSION_3 = 0x20080522
ROOTS_RIGHTS_TO_FILES = 0b1110
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER, as bits (linux/capability.h)."""


@contextmanager
def without_roots_rights_to_files() -> Iterator[None]:
    """Let root stay who it is, and reach its own checkout, but bow to the modes of files."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~ROOTS_RIGHTS_TO_FILES
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


@contextmanager
def as_someone_else(folder: Path) -> Iterator[None]:
    """Take the right to write to a folder away, from root too."""
    paths = (folder, *folder.rglob("*"))
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    try:
        with without_roots_rights_to_files() if os.geteuid() == 0 else nullcontext():
            with pytest.raises(PermissionError):
                (folder / "mine").touch()
            yield
    finally:
        for path in paths:
            path.chmod(0o755)


@pytest.mark.parametrize("packed", [False, True])
def test_someone_else_s_results_are_of_full_use(
    sa2vp: Callable[..., int],
    results: Path,
    digits_images: Path,
    tmp_path: Path,
    packed: bool,
) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    mine.mkdir()
    shutil.copytree(results, theirs)
    for lock in theirs.rglob(".*lock"):
        lock.unlink()
    if packed:
        assert pack(theirs, lambda: None) == 3  # leaves a lock that is not ours
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(min(digits_images.iterdir()), images)
    source = ("--results", theirs, "--run", FINAL)
    with as_someone_else(theirs):
        assert sa2vp("export", *source, "--out", mine / "m.safetensors") == 0
        assert sa2vp("predict", images, *source, "--out", mine / "p.csv") == 0
        tables = ["--results", str(theirs), "--format", "csv", "--out", str(mine / "tables")]
        assert run(reproduce_tables.app, "reproduce_tables.py", tables) == 0
    assert len(pd.read_csv(mine / "p.csv")) == 5
    assert (mine / "tables" / "results-demo-demo.csv").exists()


def test_a_run_that_is_packed_while_it_is_read_is_found(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    read, packed = pq.ParquetFile, list[int]()

    def pack_then_read(*arguments: Any, **options: Any) -> Any:
        if not packed:
            packed.append(0)
            packed.append(pack(folder, lambda: None))
        return read(*arguments, **options)

    monkeypatch.setattr(pq, "ParquetFile", pack_then_read)
    assert load_final_run(str(folder), run_id=FINAL).card.run_id == FINAL
    assert packed == [0, 3]
