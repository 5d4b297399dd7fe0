"""Results after a power cut at any moment, and after bits of their files have changed."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power import Disk, cutting
from rows import epoch_row, run_row

from analysis.frames import read_results
from sa2vp.results import packing
from sa2vp.results.packing import pack
from sa2vp.results.schema import EpochRow, RunRow
from sa2vp.results.store import ResultsStore, StoreError

TRIAL, STOPPED, FINAL = (
    "demo-digits-search-0000",
    "demo-digits-search-0001",
    "demo-digits-final-seed1",
)
Content = tuple[list[RunRow], dict[str, list[EpochRow]], list[tuple[int, int]]]


def content_of(results: Path) -> Content:
    """Read what a results folder says, its predictions by another way than its rows."""
    store = ResultsStore(str(results))
    runs = store.read_runs()
    predictions = read_results(str(results)).predictions([FINAL])
    return (
        runs,
        store.read_epochs_of([row.run_id for row in runs]),
        list(predictions[["target", "predicted"]].itertuples(index=False, name=None)),
    )


def fill(results: Path) -> None:
    store = ResultsStore(str(results))
    for run_id, status in ((TRIAL, "completed"), (STOPPED, "stopped")):
        store.write_epochs(run_id, [epoch_row(run_id, epoch) for epoch in (1, 2)])
        store.write_run(run_row(run_id, status=status))
    store.write_epochs(FINAL, [epoch_row(FINAL, 1, val_loss=float("nan"))])
    store.write_predictions(FINAL, [0, 1, 2], [0, 1, 1])
    store.write_run(run_row(FINAL, phase="final", status="completed"))


def cut_everywhere(root: Path, left: Path, work: Callable[[], None]) -> list[Path]:
    """Do some work, and give what power cuts at each of its moments leave."""
    rng = random.Random(0)
    left.mkdir()
    found: list[Path] = []

    def cut(disk: Disk) -> None:
        for keeps in (lambda _: True, lambda _: False, lambda _: rng.random() < 0.5):
            found.append(left / f"{len(found):04d}")
            disk.cut(found[-1], keeps)

    with cutting(root, cut):
        work()
    return found


def test_rows_are_the_old_or_the_new_after_a_power_cut(tmp_path: Path) -> None:
    root = tmp_path / "results"
    root.mkdir()
    fill(root)
    store = ResultsStore(str(root))
    before = content_of(root)

    def work() -> None:
        store.write_predictions(FINAL, [0, 1, 2], [2, 2, 2])
        store.write_epochs(TRIAL, [epoch_row(TRIAL, epoch) for epoch in (1, 2, 3)])
        store.write_run(run_row(TRIAL, status="completed", epochs_done=3))

    left = cut_everywhere(root, tmp_path / "left", work)
    after = content_of(root)
    found = [content_of(folder) for folder in left]
    for part in (0, 2):
        assert {str(content[part]) for content in found} == {str(before[part]), str(after[part])}
    assert {len(content[1][TRIAL]) for content in found} == {2, 3}
    # Each file is on the disk before the next is begun, so that the row never counts what is lost.
    for runs, epochs, _ in found:
        (row,) = (row for row in runs if row.run_id == TRIAL)
        assert len(epochs[TRIAL]) >= row.epochs_done
    assert str(found[-2]) == str(after)  # of the last moment, what was not synced lost


def test_a_first_row_makes_folders_that_last(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    left = cut_everywhere(root, tmp_path / "left", lambda: fill(root / "new" / "results"))
    assert str(content_of(left[-2] / "new" / "results")) == str(
        content_of(root / "new" / "results")
    )


def test_packing_loses_no_run_to_a_power_cut_and_goes_on_after_it(tmp_path: Path) -> None:
    root = tmp_path / "results"
    root.mkdir()
    fill(root)
    pack(root, lambda: None)
    store = ResultsStore(str(root))  # one packed run is made anew, one is new
    store.write_epochs(TRIAL, [epoch_row(TRIAL, 1, 75.0)])
    store.write_run(run_row(TRIAL, status="completed", lr=0.25))
    new = "demo-digits-search-0002"
    store.write_epochs(new, [epoch_row(new, 1)])
    store.write_run(run_row(new, status="completed"))
    before = str(content_of(root))
    left = cut_everywhere(root, tmp_path / "left", lambda: pack(root, lambda: None))
    assert str(content_of(root)) == before
    for folder in left:
        assert str(content_of(folder)) == before
    for folder in left[::5]:
        pack(folder, lambda: None)
        assert str(content_of(folder)) == before


def test_packing_that_was_killed_while_removing_keeps_the_epochs(tmp_path: Path) -> None:
    fill(tmp_path)
    before = str(content_of(tmp_path))
    row = tmp_path / "runs" / f"{TRIAL}.parquet"
    kept = row.read_bytes()
    pack(tmp_path, lambda: None)
    row.write_bytes(kept)  # its epochs were removed, and it was not yet
    pack(tmp_path, lambda: None)
    assert str(content_of(tmp_path)) == before


def test_setting_aside_loses_nothing_to_a_power_cut(tmp_path: Path) -> None:
    root = tmp_path / "results"
    root.mkdir()
    fill(root)
    pack(root, lambda: None)
    store = ResultsStore(str(root))
    store.write_epochs(STOPPED, [epoch_row(STOPPED, 1, 25.0)])
    store.write_run(run_row(STOPPED, status="stopped", lr=0.5))
    all_runs = {TRIAL, STOPPED, FINAL}
    left = cut_everywhere(
        root, tmp_path / "left", lambda: store.set_aside([STOPPED, FINAL], "superseded/then")
    )
    for folder in left:
        stores = [ResultsStore(str(folder / place)) for place in (".", "superseded/then")]
        for read in ("runs", "epochs"):
            files = folder.rglob(f"{read}/[!.]*.parquet")
            there = itertools.chain(*(pq.read_table(path)["run_id"].to_pylist() for path in files))
            assert set(there) == all_runs
        assert {row.run_id for store in stores for row in store.read_runs()} == all_runs
    assert [row.run_id for row in ResultsStore(str(left[-2])).read_runs()] == [TRIAL]


def test_a_packed_file_that_is_not_as_written_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    before = str(content_of(tmp_path))
    monkeypatch.setattr(
        packing, "write_parquet",
        lambda table, file, _: pq.write_table(table.slice(0, len(table) - 1), file),
    )  # fmt: skip
    with pytest.raises(OSError, match=r"packed-\w+\.parquet: the disk gives back other rows"):
        pack(tmp_path, lambda: None)
    assert str(content_of(tmp_path)) == before
    assert len(list(tmp_path.glob("*/*.parquet"))) == 7
    assert not list(tmp_path.glob("*/.sa2vp-*"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Results with a file per run, and packed."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("apart", "packed")}
    for folder in folders.values():
        fill(folder)
    pack(folders["packed"], lambda: None)
    return folders


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_bit_is_never_read_as_other_numbers(
    tmp_path: Path, folders: dict[str, Path], data: st.DataObject
) -> None:
    whole = folders[data.draw(st.sampled_from(sorted(folders)))]
    names = sorted(str(path.relative_to(whole)) for path in whole.glob("[re]*/*.parquet"))
    name = data.draw(st.sampled_from(names))
    content = bytearray((whole / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    results = tmp_path / "results"
    shutil.rmtree(results, ignore_errors=True)
    shutil.copytree(whole, results)
    (results / name).write_bytes(content)
    assert read_or_named(results, results / name) in ("named", read_or_named(whole, whole / name))


def read_or_named(results: Path, file: Path) -> str:
    """Read all rows; gives "named" where that ends in one line that names the file."""
    store = ResultsStore(str(results))
    try:
        return str((store.read_runs(), store.read_epochs_of([TRIAL, STOPPED, FINAL])))
    except StoreError as error:
        line = str(error)
    named = line.startswith(f"{file} is damaged or foreign; move it away (") and "\n" not in line
    return "named" if named else line


@pytest.mark.parametrize("kind", ["apart", "packed"])
@pytest.mark.parametrize("part", ["page", "footer"])
def test_the_tables_leave_out_predictions_with_a_changed_bit(
    tmp_path: Path, folders: dict[str, Path], kind: str, part: str
) -> None:
    results = tmp_path / kind
    shutil.copytree(folders[kind], results)
    (file,) = (results / "predictions").iterdir()
    content = bytearray(file.read_bytes())
    # A value of the rows, and the name of a column.
    place = content.index(FINAL.encode()) if part == "page" else content.rindex(b"correct")
    content[place] ^= 4
    file.write_bytes(content)
    found = read_results(str(results))
    assert found.predictions([FINAL]).empty
    assert [str(file) in warning for warning in found.warnings] == [True]


def test_a_file_of_another_program_is_read_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path)
    before = str(content_of(tmp_path))
    for path in tmp_path.glob("*/*.parquet"):
        pq.write_table(pq.read_table(path), path)
    assert str(content_of(tmp_path)) == before
