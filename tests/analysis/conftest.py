"""Fixtures over the synthetic results."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_results import Row, demo_runs, epoch_rows, runs_frame

from analysis.schemas import EPOCHS, RUNS


@pytest.fixture
def demo_frame() -> pd.DataFrame:
    return runs_frame(demo_runs())


@pytest.fixture
def write_results(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a search does, a file per run; return the results folder."""

    def write(
        runs: list[Row],
        epochs: list[Row] | None = None,
        others: dict[str, tuple[pa.Schema, list[Row]]] | None = None,
    ) -> Path:
        folder = tmp_path / "results"
        datasets = {"runs": (RUNS, runs), "epochs": (EPOCHS, epochs or []), **(others or {})}
        for name, (schema, rows) in datasets.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            for run_id in {row["run_id"] for row in rows}:
                own = [row for row in rows if row["run_id"] == run_id]
                path = folder / name / f"{run_id}.parquet"
                pq.write_table(pa.Table.from_pylist(own, schema), path)
        return folder

    return write


@pytest.fixture
def demo_folder(write_results: Callable[..., Path]) -> Path:
    rows = demo_runs()
    epochs = [row for run in rows for row in epoch_rows(run["run_id"], 150.0)]
    return write_results(rows, epochs)
