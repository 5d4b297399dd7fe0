"""Results that are damaged or foreign: one line that names the file, before Ray is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows import epoch_row, run_row

import run_search
import sa2vp.tuning.search
from sa2vp.cli.commands import run as follow
from sa2vp.results.schema import RUN_SCHEMA
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.plan_data import check_data
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.session import continue_or_refuse

RUN = "demo-digits-search-0000"


def refuse_to_start(*_: Any, **__: Any) -> None:
    raise AssertionError("Ray was started")


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Search the demo's digits with results that a function breaks; gives the line that refuses."""
    monkeypatch.setattr(sa2vp.tuning.search, "start_ray", refuse_to_start)
    store = ResultsStore(str(tmp_path))
    plan = make_plan(suite="demo", tasks="digits", epochs=2, results=str(tmp_path))
    continue_or_refuse(store, plan, check_data(plan, lambda: None), fresh=False)
    done = {"status": "completed", "epochs_done": 2, "last_val_top1": 50.0, "epochs_planned": 2}
    store.write_run(run_row(RUN, **done))
    store.write_epochs(RUN, [epoch_row(RUN, 1), epoch_row(RUN, 2)])

    def refuse(break_it: Callable[[Path], None], *options: str) -> str:
        break_it(tmp_path)
        digits = ["--suite", "demo", "--tasks", "digits", "--epochs", "2"]
        code = follow(
            run_search.app, "run_search.py", [*digits, "--results", str(tmp_path), *options]
        )
        told = capsys.readouterr().err
        assert (code, told.count("\n")) == (2, 1), told
        assert told.startswith("run_search.py: --results: ")
        return told

    return refuse


def replaced(column: str, values: Any) -> Callable[[Path], None]:
    """Put other values, or none, into a column of the run's row."""

    def replace(results: Path) -> None:
        path = results / "runs" / f"{RUN}.parquet"
        table = pq.read_table(path)
        place = table.column_names.index(column)
        table = table.remove_column(place)
        if values is not None:
            table = table.add_column(place, column, values)
        pq.write_table(table, path)

    return replace


def repeated(results: Path) -> None:
    path = results / "runs" / f"{RUN}.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("lr", table["lr"]), path)


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(results: Path) -> None:
        (results / name).write_bytes(content)

    return write


@pytest.mark.parametrize(
    "break_it",
    [
        replaced("lr", pa.array(["fast"])),
        replaced("lr", pa.array([[0.1]])),
        replaced("lr", pa.array([{"a": 0.1}])),
        replaced("lr", pa.array([None], pa.float64())),
        replaced("lr", None),
        replaced("seed", pa.array([0.5])),
        replaced("phase", pa.array(["testing"])),
        replaced("status", pa.array(["sleeping\x1b[31m"])),
        replaced("run_id", pa.array(["demo/../../x"])),
        replaced("task", pa.array([b"\xff"])),
        replaced("started_at", pa.array(["yesterday"])),
        repeated,
        written(f"runs/{RUN}.parquet", b""),
        written(f"runs/{RUN}.parquet", b"PAR1" * 100),
    ],
)
def test_rows(refused: Callable[..., str], break_it: Callable[[Path], None]) -> None:
    assert f"runs/{RUN}.parquet" in refused(break_it)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda results: (results / f"epochs/{RUN}.parquet").unlink(),
        lambda results: ResultsStore(str(results)).write_epochs(RUN, [epoch_row(RUN, 1)]),
        written(f"epochs/{RUN}.parquet", b"PAR1"),
    ],
)
def test_epochs(refused: Callable[..., str], break_it: Callable[[Path], None]) -> None:
    assert f"epochs/{RUN}.parquet" in refused(break_it)


@pytest.mark.parametrize("name", ["search-demo.json", "data-demo.json"])
@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"{", b"[1]", b"[" * 100_000, b"9" * 5000], ids=lambda text: text[:3]
)
def test_notes(refused: Callable[..., str], name: str, content: bytes) -> None:
    assert f"{name} is damaged; move it away" in refused(written(name, content))


def test_packed_files(refused: Callable[..., str]) -> None:
    rows = pa.Table.from_pylist([asdict(run_row(RUN))], RUN_SCHEMA)
    foreign = rows.drop_columns("run_id").append_column("run_id", pa.array([[RUN]]))

    def pack(results: Path) -> None:
        pq.write_table(foreign, results / "runs" / "packed-1.parquet")

    assert "runs/packed-1.parquet" in refused(pack)
