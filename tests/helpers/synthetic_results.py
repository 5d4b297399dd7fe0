"""Synthetic results, small enough to work out every table by hand."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rows import searched_columns

from sa2vp.results.schema import EPOCH_SCHEMA, PREDICTION_SCHEMA, RUN_SCHEMA

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)

Row = dict[str, Any]


def open_to_all(schema: pa.Schema) -> pa.Schema:
    """The same columns, each of which may be empty: what another program could write."""
    return pa.schema([field.with_nullable(True) for field in schema])


def run_row(run_id: str, *, begin: float = 0, minutes: float | None = 10, **changes: Any) -> Row:
    """A completed final run that began some minutes after noon; ``minutes=None``: still running."""
    named = searched_columns(run_id)
    phase, started = named["phase"], NOON + begin * MINUTE
    return {
        **named,
        "batch_size": 64,
        "epochs_planned": 2,
        "seed": 1,
        "status": "completed" if minutes is not None else "running",
        "reason": None,
        "epochs_done": 2,
        "last_val_top1": 90.0,
        "last_val_loss": 1.0,
        "best_val_top1": 91.0,
        "test_top1": 90.0 if phase == "final" else None,
        "test_top1_at_best_val": 91.5 if phase == "final" else None,
        "best_epoch_test_top1": 92.0 if phase == "final" else None,
        "trainable_params": 2_000,
        "backbone_params": 80_000,
        "seconds": 30.0 * (minutes or 0),
        "peak_memory_gib": 0.5,
        "data_fingerprint": "f00d",
        "versions": json.dumps({"torch": "2.6.0"}),
        "commit": "0123456789abcdef",
        "earlier_versions": None,
        "starts": 1,
        "started_at": started,
        "finished_at": None if minutes is None else started + minutes * MINUTE,
        "dropout": 0.0,
        "backbone_fingerprint": "beef",
        "precision": "float32",
        "workers": 1,
        "fusion": "exact",
        "image_size": 32,
        "micro_batch": 64,
        "expected_test_top1": None,
        "matched": None,
        **changes,
    }


def epoch_rows(run_id: str, seconds: float, epochs: int = 2) -> list[Row]:
    """The epochs of one run, each of the same length."""
    return [
        {
            "run_id": run_id,
            "epoch": epoch,
            "lr": 0.001,
            "train_loss": 1.0,
            "val_loss": 1.0,
            "val_top1": 90.0,
            "test_top1": None,
            "seconds": seconds,
            "images_per_second": 100.0,
            "decision": None,
        }
        for epoch in range(1, epochs + 1)
    ]


def linear(run_id: str, **changes: Any) -> Row:
    """A run of the linear probe, which has neither prompt nor fusion."""
    own = {"inter_dim": None, "inter_weight": None, "searched": '["lr"]', "trainable_params": 0}
    return run_row(run_id, method="linear", **own, **changes)


def demo_runs() -> list[Row]:
    """Two tasks, one with three seeds and a linear probe; a failed and an unfinished run."""
    digits = [
        run_row(
            f"demo-digits-final-seed{seed}",
            seed=seed,
            begin=40,
            last_val_top1=test - 1,
            test_top1=test,
            best_epoch_test_top1=test + 1,
        )
        for seed, test in enumerate([90.0, 92.0, 94.0], start=1)
    ]
    probe = [
        linear(f"demo-digits-final-linear-seed{seed}", seed=seed, begin=40, test_top1=test)
        for seed, test in enumerate([60.0, 61.0, 62.0], start=1)
    ]
    return [
        *digits,
        *probe,
        run_row("demo-digits-final-seed4", seed=4, begin=40, status="failed", reason="loss is nan"),
        run_row(
            "demo-location-final-seed1",
            begin=40,
            test_top1=80.0,
            inter_dim=16,
            commit="fedcba9876543210-dirty",
        ),
        run_row("demo-location-final-seed2", seed=2, begin=40, minutes=None, test_top1=None),
        run_row("demo-digits-search-0001", best_val_top1=85.0, epochs_done=1, status="stopped"),
        run_row("demo-digits-search-0002", best_val_top1=95.0, inter_dim=32, lr=0.0005),
        run_row("demo-digits-search-0003", best_val_top1=99.0, status="failed", begin=10),
        run_row("demo-digits-search-0004", best_val_top1=None, minutes=None, epochs_done=0),
    ]


def runs_frame(rows: list[Row]) -> pd.DataFrame:
    """Rows as ``read_results`` would give them."""
    types = {pa.int64(): pd.Int64Dtype()}.get
    frame: pd.DataFrame = pa.Table.from_pylist(rows, RUN_SCHEMA).to_pandas(types_mapper=types)
    return frame


def epochs_frame(rows: list[Row]) -> pd.DataFrame:
    """Epoch rows as ``read_results`` would give them."""
    frame: pd.DataFrame = pa.Table.from_pylist(rows, EPOCH_SCHEMA).to_pandas()
    return frame


def write_datasets(
    folder: Path,
    runs: list[Row],
    epochs: list[Row] | None = None,
    predictions: list[Row] | None = None,
) -> Path:
    """Write rows as a search does, a file per run; return the folder."""
    datasets = {
        "runs": (RUN_SCHEMA, runs),
        "epochs": (EPOCH_SCHEMA, epochs or []),
        "predictions": (PREDICTION_SCHEMA, predictions or []),
    }
    for name, (schema, rows) in datasets.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for run_id in {row["run_id"] for row in rows}:
            own = [row for row in rows if row["run_id"] == run_id]
            table = pa.Table.from_pylist(own, open_to_all(schema))
            pq.write_table(table, folder / name / f"{run_id}.parquet")
    return folder
