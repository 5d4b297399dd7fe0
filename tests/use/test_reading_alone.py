"""Results are read where nothing can be written, and while others pack them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import reproduce_tables
from command_line import run
from sa2vp.results.packing import pack
from sa2vp.use.final_runs import load_final_run

NOBODY = 65534
FINAL = "demo-digits-final-seed1"


@contextmanager
def as_someone_else(folder: Path) -> Iterator[None]:
    """Take the right to write to a folder away; from root by being another user, as it has all."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(PermissionError):
            (folder / "mine").touch()
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user reaches, and one in it where every user writes."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "mine").mkdir()
    (folder / "mine").chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("packed", [False, True])
def test_someone_else_s_results_are_of_full_use(
    sa2vp: Callable[..., int],
    results: Path,
    digits_images: Path,
    open_folder: Path,
    packed: bool,
) -> None:
    theirs, mine = open_folder / "theirs", open_folder / "mine"
    shutil.copytree(results, theirs)
    for lock in theirs.rglob(".*lock"):
        lock.unlink()
    if packed:
        assert pack(theirs, lambda: None) == 3  # leaves a lock that is not ours
    images = open_folder / "images"
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
