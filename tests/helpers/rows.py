"""Rows of runs and epochs, and what trials report."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sa2vp.results.schema import EpochRow, RunRow


def searched_columns(run_id: str) -> dict[str, Any]:
    """What names a run and says what it trains with, for rows of every kind."""
    suite, task, phase, *_ = run_id.split("-")
    return {
        "run_id": run_id,
        "uid": f"uid of {run_id}",
        "suite": suite,
        "task": task,
        "backbone": "demo",
        "method": "sa2vp",
        "phase": phase,
        "inter_dim": 8,
        "inter_weight": 0.5,
        "lr": 0.001,
        "weight_decay": 1e-4,
        "searched": '["inter_dim", "inter_weight", "lr", "batch_size"]',
        "hyperparameters": "{}",
    }


def run_row(run_id: str, **changes: Any) -> RunRow:
    values: dict[str, Any] = {
        **searched_columns(run_id),
        "batch_size": 40,
        "dropout": 0.0,
        "epochs_planned": 10,
        "seed": 0,
        "status": "running",
        "data_fingerprint": "f00d",
        "versions": "{}",
        "commit": None,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return RunRow(**(values | changes))


def epoch_row(run_id: str, epoch: int, val_top1: float = 50.0, **changes: Any) -> EpochRow:
    values: dict[str, Any] = {
        "run_id": run_id,
        "epoch": epoch,
        "lr": 0.001,
        "train_loss": 1.0,
        "val_loss": 1.0,
        "val_top1": val_top1,
        "test_top1": None,
        "seconds": 2.0,
        "images_per_second": 100.0,
    }
    return EpochRow(**(values | changes))


def metrics(epoch: int, val_top1: float, **changes: Any) -> dict[str, Any]:
    """What a trial reports for an epoch of a run of 10."""
    values = asdict(epoch_row("", epoch, val_top1))
    del values["run_id"], values["decision"], values["reason"]  # which the trial does not know
    values |= {
        "epochs_planned": 10,
        "trainable_params": 1000,
        "backbone_params": 10_000,
        "backbone_fingerprint": "beef",
        "peak_memory_gib": 0.5,
        "micro_batch": 40,
        "precision": "float32",
        "workers": 1,
        "image_size": 32,
        "versions": "{}",
        "commit": None,
    }
    return values | changes
