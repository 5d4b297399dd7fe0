"""Reading results: damaged, foreign, temporary and changing files."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from searches import ROOT
from synthetic_results import epoch_rows, linear, run_row

from analysis.frames import ResultsError, ResultsNotFoundError, no_results, read_results
from sa2vp.results.schema import EPOCH_SCHEMA, PREDICTION_SCHEMA, RUN_SCHEMA

WriteResults = Callable[..., Path]


def test_runs_and_epochs_come_back_in_the_schemas_columns(demo_folder: Path) -> None:
    results = read_results(str(demo_folder))
    epochs = results.epochs(results.runs["run_id"])
    assert results.warnings == []
    assert len(results.runs) == 13
    assert len(epochs) == 26
    assert list(results.runs.columns) == RUN_SCHEMA.names
    assert list(epochs.columns) == EPOCH_SCHEMA.names


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
    assert results.warnings == []
    assert len(results.runs) == 13


@pytest.mark.parametrize("content", [b"", b"notes of mine", b"PAR1cut"])
def test_a_damaged_file_is_named_and_the_rest_is_read(demo_folder: Path, content: bytes) -> None:
    (demo_folder / "runs" / "damaged.parquet").write_bytes(content)
    results = read_results(str(demo_folder))
    assert len(results.runs) == 13
    (warning,) = results.warnings
    assert "runs/damaged.parquet" in warning
    assert "\n" not in warning


def change(path: Path, columns: dict[str, object]) -> None:
    """Write a file's row again with other values; None takes a column out."""
    (row,) = pq.ParquetFile(path).read().to_pylist()
    row |= columns
    kept = {name: value for name, value in row.items() if columns.get(name, "") is not None}
    pq.write_table(pa.Table.from_pylist([kept]), path)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"seed": None}, "column 'seed' is missing or repeated"),
        ({"seed": "first"}, "column 'seed' holds string, expected int64"),
    ],
)
def test_a_foreign_file_is_named_and_the_rest_is_read(
    demo_folder: Path, columns: dict[str, object], reason: str
) -> None:
    change(demo_folder / "runs" / "demo-digits-final-seed1.parquet", columns)
    results = read_results(str(demo_folder))
    assert len(results.runs) == 12
    (warning,) = results.warnings
    assert warning.endswith(f"seed1.parquet: left out, not a file of a search: {reason}")


def test_a_row_of_an_earlier_version_counts_and_is_named(demo_folder: Path) -> None:
    path = demo_folder / "runs" / "demo-digits-final-seed1.parquet"
    change(path, {"fusion": None, "image_size": None})
    results = read_results(str(demo_folder))
    assert len(results.runs) == 13
    (warning,) = results.warnings
    assert warning.endswith("seed1.parquet: of an earlier version, without fusion, image_size")
    assert pd.isna(results.runs.set_index("run_id").loc["demo-digits-final-seed1", "fusion"])


def test_of_a_run_that_is_there_twice_the_later_row_counts(write_results: WriteResults) -> None:
    run_id = "demo-digits-final-seed1"
    folder = write_results([run_row(run_id, begin=5, test_top1=70.0)], epoch_rows(run_id, 1.0))
    for dataset in ("runs", "epochs"):
        copy = folder / dataset / "copied-from-elsewhere.parquet"
        copy.write_bytes((folder / dataset / f"{run_id}.parquet").read_bytes())
    earlier = pa.Table.from_pylist([run_row(run_id, begin=1, test_top1=60.0)], RUN_SCHEMA)
    pq.write_table(earlier, folder / "runs" / "copied-from-elsewhere.parquet")
    results = read_results(str(folder))
    assert results.runs["test_top1"].tolist() == [70.0]
    assert results.epochs([run_id])["epoch"].tolist() == [1, 2]
    (warning,) = results.warnings
    assert warning == f"{run_id}: found more than once; the row that was begun last counts"


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
    with pytest.raises(ResultsError, match="is no folder"):
        read_results(str(tmp_path / "file"))


def test_an_empty_folder_reads_like_no_results(tmp_path: Path) -> None:
    results = read_results(str(tmp_path))
    pd.testing.assert_frame_equal(results.runs, no_results("").runs)
    assert results.epochs(["demo-digits-final-seed1"]).empty


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
    assert [results.warnings for results in seen] == [[]] * 20
    assert {len(results.runs) for results in seen} <= {1, 2}


@pytest.mark.parametrize("schema", [RUN_SCHEMA, EPOCH_SCHEMA, PREDICTION_SCHEMA])
def test_every_column_is_documented_with_its_type(schema: pa.Schema) -> None:
    guide = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    names = {pa.float64(): "float64", pa.timestamp("us", tz="UTC"): "timestamp[us, UTC]"}
    for field in schema:
        kind = names.get(field.type, str(field.type))
        assert f"| `{field.name}` | {kind} |" in guide


def test_many_files_with_the_same_problem_make_one_line(demo_folder: Path) -> None:
    for path in (demo_folder / "runs").glob("*-search-*"):
        pq.write_table(pq.read_table(path).drop_columns(["matched"]), path)
    (demo_folder / "runs" / "damaged.parquet").write_bytes(b"no")
    lines = read_results(str(demo_folder)).warnings
    assert len(lines) == 2
    assert lines[1].startswith("4 times: of an earlier version, without matched: ")
    assert lines[1].endswith("demo-digits-search-0003.parquet and 1 more")


def test_names_of_classes_are_read_and_a_damaged_file_is_named(demo_folder: Path) -> None:
    results = read_results(str(demo_folder))
    assert results.class_names("demo") == {}
    noted = demo_folder / "data-demo.json"
    noted.write_text('{"digits": {"classes": ["zero", "one"]}}')
    assert results.class_names("demo") == {"digits": ["zero", "one"]}
    for damaged in ("{", "[]", '{"digits": 3}'):
        noted.write_text(damaged)
        assert results.class_names("demo") == {}
    assert any("data-demo.json: left out, no names of classes" in w for w in results.warnings)


def test_a_pipe_in_the_place_of_the_names_of_classes_is_not_waited_for(demo_folder: Path) -> None:
    os.mkfifo(demo_folder / "data-demo.json")
    results = read_results(str(demo_folder))
    assert results.class_names("demo") == {}
    assert any("no names of classes: no regular file" in found for found in results.warnings)
