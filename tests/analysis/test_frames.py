"""Reading results: damaged, foreign, temporary and changing files."""

import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_results import epoch_rows, linear, run_row

from analysis.frames import (
    EPOCHS,
    RUNS,
    ResultsError,
    ResultsNotFoundError,
    no_results,
    read_results,
)

WriteResults = Callable[..., Path]


def test_runs_and_epochs_come_back_in_the_schemas_columns(demo_folder: Path) -> None:
    results = read_results(str(demo_folder))
    assert results.warnings == ()
    assert len(results.runs) == 13
    assert len(results.epochs) == 26
    assert list(results.runs.columns) == RUNS.names
    assert list(results.epochs.columns) == EPOCHS.names


def test_missing_integers_stay_integers(write_results: WriteResults) -> None:
    folder = write_results([linear("demo-digits-final-linear"), run_row("demo-digits-final-seed1")])
    inter_dim = read_results(str(folder)).runs["inter_dim"]
    assert inter_dim.dtype == "Int64"
    assert inter_dim.isna().tolist() == [True, False]


def test_a_uri_names_the_same_folder(demo_folder: Path) -> None:
    results = read_results(demo_folder.as_uri())
    pd.testing.assert_frame_equal(results.runs, read_results(str(demo_folder)).runs)


def test_temporary_files_are_passed_over(demo_folder: Path) -> None:
    for name in (".demo-digits-search-0009.tmp", "_half.parquet"):
        (demo_folder / "runs" / name).write_bytes(b"PAR1 half")
    results = read_results(str(demo_folder))
    assert results.warnings == ()
    assert len(results.runs) == 13


@pytest.mark.parametrize("content", [b"", b"notes of mine", b"PAR1cut"])
def test_a_damaged_file_is_named_and_the_rest_is_read(demo_folder: Path, content: bytes) -> None:
    (demo_folder / "runs" / "damaged.parquet").write_bytes(content)
    results = read_results(str(demo_folder))
    assert len(results.runs) == 13
    (warning,) = results.warnings
    assert "runs/damaged.parquet" in warning
    assert "\n" not in warning


def test_a_missing_column_is_named_with_its_file(demo_folder: Path) -> None:
    path = demo_folder / "runs" / "demo-digits-final-seed1.parquet"
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["seed"]), path)
    with pytest.raises(ResultsError, match=r"demo-digits-final-seed1\.parquet: column 'seed'"):
        read_results(str(demo_folder))


def test_a_column_of_another_type_is_named_with_its_file(demo_folder: Path) -> None:
    row = run_row("demo-digits-final-seed1") | {"seed": "first"}
    path = demo_folder / "runs" / "demo-digits-final-seed1.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)
    with pytest.raises(ResultsError, match=r"seed1\.parquet: column 'seed' holds string"):
        read_results(str(demo_folder))


def test_types_that_lose_nothing_are_brought_into_the_schema(demo_folder: Path) -> None:
    frame = pd.DataFrame([run_row("demo-digits-final-seed9", seed=9)])
    frame["inter_dim"] = frame["inter_dim"].astype(float)
    frame["started_at"] = frame["started_at"].dt.as_unit("ns")
    frame.assign(added_later=1).to_parquet(demo_folder / "runs" / "extra.parquet")
    runs = read_results(str(demo_folder)).runs.set_index("run_id")
    assert runs.loc["demo-digits-final-seed9", "inter_dim"] == 8


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ResultsNotFoundError, match="nowhere"):
        read_results(str(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="is a file"):
        read_results(str(tmp_path / "file"))


def test_an_empty_folder_reads_like_no_results(tmp_path: Path) -> None:
    results = read_results(str(tmp_path))
    pd.testing.assert_frame_equal(results.runs, no_results().runs)
    pd.testing.assert_frame_equal(results.epochs, no_results().epochs)


def test_reading_while_a_search_writes_gives_whole_runs(write_results: WriteResults) -> None:
    folder = write_results([run_row("demo-digits-final-seed1")], epoch_rows("demo-x", 1.0))
    steady = folder / "runs" / "demo-digits-final-seed1.parquet"
    passing = folder / "runs" / "demo-digits-search-0001.parquet"
    table = pq.ParquetFile(steady).read()
    done = threading.Event()

    def keep_writing() -> None:
        while not done.is_set():
            for path in (steady, passing):
                temporary = path.with_name(f".{path.name}")
                pq.write_table(table, temporary)
                temporary.replace(path)
            passing.unlink()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        seen = [read_results(str(folder)) for _ in range(20)]
    finally:
        done.set()
        writer.join()
    assert {results.warnings for results in seen} == {()}
    assert {len(results.runs) for results in seen} <= {1, 2}


@pytest.mark.parametrize("schema", [RUNS, EPOCHS], ids=["runs", "epochs"])
def test_every_column_is_documented_with_its_type(schema: pa.Schema) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    names = {pa.float64(): "float64", pa.timestamp("us", tz="UTC"): "timestamp[us, UTC]"}
    for field in schema:
        kind = names.get(field.type, str(field.type))
        assert f"| `{field.name}` | {kind} |" in guide
