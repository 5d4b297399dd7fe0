"""Rows that no search writes are named and left out; the others are reported in every format."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_results import demo_runs, epoch_rows, open_to_all, run_row

from analysis.frames import read_results
from reproduce_tables import app
from sa2vp.cli.commands import run
from sa2vp.results.schema import EPOCH_SCHEMA, PREDICTION_SCHEMA, RUN_SCHEMA

REQUIRED = [
    "suite", "task", "backbone", "method", "phase", "lr", "batch_size", "weight_decay",
    "epochs_planned", "seed", "status", "epochs_done", "seconds", "data_fingerprint", "versions",
    "started_at",
]  # fmt: skip
IMPOSSIBLE: list[tuple[str, Any]] = [
    ("phase", "testing"),
    ("status", "sleeping"),
    ("seed", -1),
    ("batch_size", 2**62),
    ("lr", float("inf")),
    ("test_top1", -5.0),
    ("inter_dim", -8),
    ("seconds", float("nan")),
]


@pytest.mark.parametrize("phase", ["final", "search"])
def test_each_such_row_is_named_and_left_out(
    write_results: Callable[..., Path], phase: str
) -> None:
    wrong: list[tuple[str, Any]] = [*((name, None) for name in REQUIRED), *IMPOSSIBLE]
    names = [f"demo-digits-{phase}-{number:04}" for number in range(len(wrong))]
    rows = [run_row(name, **{key: value}) for name, (key, value) in zip(names, wrong, strict=True)]
    found = read_results(str(write_results([*demo_runs(), *rows])))
    assert found.runs["run_id"].tolist() == sorted(row["run_id"] for row in demo_runs())
    notes = [f"left out, {name} is missing or impossible" for name, _ in wrong]
    assert sorted(found.problems) == sorted(zip(names, notes, strict=True))


def rewritten(folder: Path, schema: pa.Schema, name: str, **changes: Any) -> None:
    path = folder / f"{name}.parquet"
    rows = (
        [row | changes for row in pq.read_table(path).to_pylist()] if path.exists() else [changes]
    )
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, open_to_all(schema)), path)


@pytest.mark.parametrize("table_format", ["html", "csv"])
def test_the_rest_is_reported(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], table_format: str
) -> None:
    final, trial = "demo-digits-final-seed1", "demo-digits-search-0002"
    rewritten(demo_folder / "runs", RUN_SCHEMA, "demo-digits-final-seed3", run_id=None)
    rewritten(demo_folder / "runs", RUN_SCHEMA, trial, started_at=datetime(1, 1, 1, tzinfo=UTC))
    rewritten(demo_folder / "runs", RUN_SCHEMA, "demo-location-final-seed1", versions="[" * 5000)
    rewritten(demo_folder / "epochs", EPOCH_SCHEMA, final, epoch=None)
    huge = {"run_id": final, "image": 0, "target": 2**40, "predicted": 1, "correct": False}
    rewritten(demo_folder / "predictions", PREDICTION_SCHEMA, final, **huge)
    (demo_folder / "epochs" / f"{trial}.parquet").unlink()
    (demo_folder / "data-demo.json").write_text("[" * 100_000)
    out = ["--format", table_format, "--out", str(tmp_path / "out")]
    assert run(app, "reproduce_tables.py", ["--results", str(demo_folder), *out]) == 0
    told = capsys.readouterr().err
    assert "warning: a run without a name: left out, run_id is missing or impossible\n" in told
    assert ("data-demo.json" in told) == (table_format == "html")
    assert (f"{final}: left out, epoch is missing" in told) == (table_format == "html")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("lr", pa.array([[0.1]])),
        ("lr", pa.array(["fast"])),
        ("lr", pa.array([{"a": 1}])),
        ("task", pa.array([b"\xff"])),
        ("started_at", pa.array(["yesterday"])),
        ("seed", pa.array([0.5])),
    ],
)
def test_columns_of_other_types_are_named(
    demo_folder: Path, capsys: pytest.CaptureFixture[str], column: str, values: pa.Array
) -> None:
    path = demo_folder / "runs" / "demo-digits-final-seed1.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, values), path)
    assert run(app, "reproduce_tables.py", ["--results", str(demo_folder)]) == 0
    told = capsys.readouterr().err
    assert f"{path}: left out, not a file of a search: column '{column}' holds" in told
    assert told.count("\n") == 1


def test_epochs_are_read_of_runs_alone(write_results: Callable[..., Path]) -> None:
    rows = epoch_rows("demo-digits-final-seed1", 1.0)
    found = read_results(str(write_results(demo_runs(), [*rows, {**rows[0], "epoch": -1}])))
    assert found.epochs(["demo-digits-final-seed1"])["epoch"].tolist() == [1, 2]
