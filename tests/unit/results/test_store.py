"""Results on disk: whole files, readable meanwhile, of the schema that the tables read."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from rows import epoch_row, run_row

from sa2vp.results.schema import RUN_SCHEMA
from sa2vp.results.store import ResultsStore, StoreError


def test_rows_survive_a_round_trip(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    row = run_row("demo-digits-search-0000", reason="a 'quoted' reason", peak_memory_gib=0.25)
    store.write_run(row)
    store.write_epochs(row.run_id, [epoch_row(row.run_id, 1), epoch_row(row.run_id, 2)])
    again = ResultsStore(tmp_path.as_uri())
    assert again.read_runs() == [row]
    assert [epoch.epoch for epoch in again.read_epochs(row.run_id)] == [1, 2]
    assert again.read_epochs("demo-digits-search-0001") == []


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    run_id = "demo-digits-search-0000"
    store.write_epochs(run_id, [epoch_row(run_id, 1)])
    stop = threading.Event()
    lengths: set[int] = set()

    def read() -> None:
        while not stop.is_set():
            lengths.add(ds.dataset(tmp_path / "epochs", format="parquet").count_rows())

    reader = threading.Thread(target=read)
    reader.start()
    for length in range(1, 101):
        store.write_epochs(run_id, [epoch_row(run_id, e) for e in range(1, length + 1)])
    stop.set()
    reader.join()
    assert lengths <= set(range(1, 101))
    assert lengths


def test_runs_set_aside_leave_the_datasets_and_keep_their_files(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    for number in (0, 1):
        store.write_run(run_row(f"demo-digits-search-000{number}"))
    store.write_epochs("demo-digits-search-0000", [epoch_row("demo-digits-search-0000", 1)])
    store.set_aside(["demo-digits-search-0000"], "superseded/then")
    assert [row.run_id for row in store.read_runs()] == ["demo-digits-search-0001"]
    kept = ResultsStore(str(tmp_path / "superseded" / "then"))
    assert [row.run_id for row in kept.read_runs()] == ["demo-digits-search-0000"]
    assert len(kept.read_epochs("demo-digits-search-0000")) == 1


def test_timestamps_are_utc() -> None:
    assert RUN_SCHEMA.field("started_at").type == pa.timestamp("us", tz="UTC")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    store.write_run(run_row("demo-digits-search-0000"))
    file = tmp_path / "runs" / "demo-digits-search-0000.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"demo-digits-search-0000\.parquet is damaged"):
        store.read_runs()
    file.unlink()
    foreign = pa.table({name: ["x"] for name in RUN_SCHEMA.names})
    pq.write_table(foreign, file)
    with pytest.raises(StoreError, match="damaged or foreign"):
        store.read_runs()


def test_rows_of_another_version_are_refused_with_the_way_out(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    store.write_run(run_row("demo-digits-search-0000"))
    file = tmp_path / "runs" / "demo-digits-search-0000.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["micro_batch", "matched"]), file)
    assert store.read_runs()[0].micro_batch is None  # a column that may be empty
    pq.write_table(pq.read_table(file).drop_columns(["workers", "versions"]), file)
    with pytest.raises(StoreError, match=r"0000\.parquet lacks versions, workers: .* --fresh"):
        store.read_runs()
    assert store.run_ids() == ["demo-digits-search-0000"]  # which --fresh sets aside


def test_locations_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        ResultsStore(str(tmp_path / "file")).write_text("x.json", "{}")
    with pytest.raises(StoreError, match="nowhere://"):
        ResultsStore("nowhere://results")
