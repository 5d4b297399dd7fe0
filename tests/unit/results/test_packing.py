"""Many runs in few files: nothing lost, nothing doubled, whoever reads or writes meanwhile."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rows import epoch_row, run_row

from analysis.frames import read_results
from sa2vp.results import packing
from sa2vp.results.packing import pack
from sa2vp.results.store import ResultsStore

STATUSES = {"0000": "completed", "0001": "stopped", "0002": "failed", "0003": "running"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs that have ended, one that failed and one under way."""
    store = ResultsStore(str(tmp_path))
    for number, status in STATUSES.items():
        run_id = f"demo-digits-search-{number}"
        store.write_epochs(run_id, [epoch_row(run_id, epoch) for epoch in (1, 2)])
        store.write_run(run_row(run_id, status=status))
    final = "demo-digits-final-seed1"
    store.write_epochs(final, [epoch_row(final, 1)])
    store.write_predictions(final, [0, 1, 2], [0, 1, 1])
    store.write_run(run_row(final, phase="final", status="completed"))
    return tmp_path


def files(results: Path, dataset: str) -> list[str]:
    """Files of one run each, and how many packed ones."""
    names = sorted(path.stem for path in (results / dataset).iterdir())
    own = [name for name in names if not name.startswith("packed-")]
    return [*own, f"{len(names) - len(own)} packed"]


def test_ended_runs_are_packed_and_read_as_before(results: Path) -> None:
    store = ResultsStore(str(results))
    runs = store.read_runs()
    epochs = {row.run_id: store.read_epochs(row.run_id) for row in runs}
    counted = []
    assert pack(results, lambda: counted.append(1)) == len(counted) == 3
    unpacked = ["demo-digits-search-0002", "demo-digits-search-0003", "1 packed"]
    assert files(results, "runs") == files(results, "epochs") == unpacked
    assert files(results, "predictions") == ["1 packed"]
    assert store.read_runs() == runs
    assert {row.run_id: store.read_epochs(row.run_id) for row in runs} == epochs
    assert store.run_ids() == [row.run_id for row in runs]


def test_tables_read_packed_runs_epochs_and_predictions(results: Path) -> None:
    before = read_results(str(results))
    ids = list(before.runs["run_id"])
    epochs, predictions = before.epochs(ids), before.predictions(ids)
    pack(results, lambda: None)
    after = read_results(str(results))
    pd.testing.assert_frame_equal(after.runs, before.runs)
    pd.testing.assert_frame_equal(after.epochs(ids), epochs)
    pd.testing.assert_frame_equal(after.predictions(ids), predictions)
    one = after.epochs(["demo-digits-search-0001"])
    assert list(one["run_id"]) == ["demo-digits-search-0001"] * 2
    assert after.warnings == []
    pd.testing.assert_frame_equal(
        pd.read_parquet(results / "runs").sort_values("run_id", ignore_index=True)[["run_id"]],
        before.runs[["run_id"]].astype(object),
        check_dtype=False,
    )


def test_a_packed_run_is_set_aside_alone(results: Path) -> None:
    pack(results, lambda: None)
    store = ResultsStore(str(results))
    store.set_aside(["demo-digits-final-seed1", "demo-digits-search-0003"], "superseded/then")
    left = [f"demo-digits-search-{number}" for number in ("0000", "0001", "0002")]
    assert [row.run_id for row in store.read_runs()] == left
    assert store.read_epochs("demo-digits-final-seed1") == []
    aside = results / "superseded" / "then"
    moved = ["demo-digits-final-seed1", "demo-digits-search-0003"]
    assert sorted(path.stem for path in (aside / "runs").iterdir()) == moved
    predictions = pq.read_table(aside / "predictions" / "demo-digits-final-seed1.parquet")
    assert predictions["predicted"].to_pylist() == [0, 1, 1]


def test_packing_that_was_broken_off_leaves_no_run_twice(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results / "runs", copy)
    pack(results, lambda: None)
    for path in copy.iterdir():  # as if nothing had been removed yet
        shutil.copy(path, results / "runs")
    found = read_results(str(results))
    assert (len(found.runs), found.warnings) == (5, [])
    assert len(ResultsStore(str(results)).read_runs()) == 5
    pack(results, lambda: None)
    assert files(results, "runs")[:2] == ["demo-digits-search-0002", "demo-digits-search-0003"]
    assert len(read_results(str(results)).runs) == 5


def test_a_run_that_was_made_anew_counts_before_the_packed_one(results: Path) -> None:
    pack(results, lambda: None)
    store = ResultsStore(str(results))
    anew = run_row("demo-digits-search-0000", status="completed", lr=0.25)
    store.write_run(anew)
    assert store.read_runs()[1] == anew
    pack(results, lambda: None)
    assert store.read_runs()[1] == anew
    assert len(store.read_runs()) == 5


def test_readers_see_every_run_once_while_runs_end_and_are_packed(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "RUNS_PER_FILE", 3)
    store, done = ResultsStore(str(results)), threading.Event()
    written: list[str] = []

    def search() -> None:
        for number in range(100, 140):
            run_id = f"demo-digits-search-0{number}"
            store.write_run(run_row(run_id, status="running"))
            store.write_epochs(run_id, [epoch_row(run_id, 1)])
            store.write_run(run_row(run_id, status="completed"))
            written.append(run_id)
        done.set()

    def keep_packing() -> None:
        while not done.is_set():
            pack(results, lambda: None)

    threads = [threading.Thread(target=work) for work in (search, keep_packing)]
    for thread in threads:
        thread.start()
    try:
        while not done.is_set():
            certain = set(written)
            found = read_results(str(results))
            assert certain <= set(found.runs["run_id"])
            assert not found.runs["run_id"].duplicated().any()
    finally:
        for thread in threads:
            thread.join()
    pack(results, lambda: None)
    found = read_results(str(results))
    assert len(found.runs) == 45
    assert len(found.epochs(written)) == 40


def test_a_damaged_file_is_named_and_nothing_is_removed(
    results: Path, sa2vp: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = results / "epochs" / "demo-digits-search-0001.parquet"
    damaged.write_bytes(b"PAR1 cut")
    assert sa2vp("pack", "--results", results) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"{damaged} is damaged or foreign; move it away" in told
    assert len(list((results / "runs").glob("demo-*"))) == 5


def test_the_command_says_how_many_and_refuses_what_is_no_results_folder(
    results: Path, sa2vp: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sa2vp("pack", "--results", results) == 0
    assert "3 runs packed" in capsys.readouterr().out
    assert sa2vp("pack", "--results", results / "nowhere") == 2
    assert "no local folder that run_search.py wrote" in capsys.readouterr().err
