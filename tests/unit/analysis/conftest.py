"""Fixtures over the synthetic results."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from synthetic_results import Row, demo_runs, epoch_rows, runs_frame, write_datasets


@pytest.fixture
def demo_frame() -> pd.DataFrame:
    return runs_frame(demo_runs())


@pytest.fixture
def write_results(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a search does, a file per run; return the results folder."""

    def write(runs: list[Row], epochs: list[Row] | None = None) -> Path:
        return write_datasets(tmp_path / "results", runs, epochs)

    return write


@pytest.fixture
def demo_folder(write_results: Callable[..., Path]) -> Path:
    rows = demo_runs()
    epochs = [row for run in rows for row in epoch_rows(run["run_id"], 150.0)]
    return write_results(rows, epochs)
