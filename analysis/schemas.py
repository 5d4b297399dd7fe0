"""The columns of a results folder's datasets, as ``docs/results.md`` describes them."""

from __future__ import annotations

import pyarrow as pa

HYPERPARAMETERS = ("inter_dim", "inter_weight", "lr", "batch_size")
"""Columns of a run that are searched."""

_UTC_TIME = pa.timestamp("us", tz="UTC")

RUNS = pa.schema(
    {
        "run_id": pa.string(),
        "uid": pa.string(),
        "suite": pa.string(),
        "task": pa.string(),
        "backbone": pa.string(),
        "method": pa.string(),
        "phase": pa.string(),
        "inter_dim": pa.int64(),
        "inter_weight": pa.float64(),
        "lr": pa.float64(),
        "batch_size": pa.int64(),
        "weight_decay": pa.float64(),
        "epochs_planned": pa.int64(),
        "seed": pa.int64(),
        "status": pa.string(),
        "reason": pa.string(),
        "epochs_done": pa.int64(),
        "last_val_top1": pa.float64(),
        "last_val_loss": pa.float64(),
        "best_val_top1": pa.float64(),
        "test_top1": pa.float64(),
        "test_top1_at_best_val": pa.float64(),
        "best_epoch_test_top1": pa.float64(),
        "trainable_params": pa.int64(),
        "backbone_params": pa.int64(),
        "seconds": pa.float64(),
        "peak_memory_gib": pa.float64(),
        "data_fingerprint": pa.string(),
        "versions": pa.string(),
        "commit": pa.string(),
        "earlier_versions": pa.string(),
        "starts": pa.int64(),
        "started_at": _UTC_TIME,
        "finished_at": _UTC_TIME,
        "dropout": pa.float64(),
        "backbone_fingerprint": pa.string(),
        "precision": pa.string(),
        "workers": pa.int64(),
        "fusion": pa.string(),
        "image_size": pa.int64(),
        "micro_batch": pa.int64(),
        "expected_test_top1": pa.float64(),
        "matched": pa.bool_(),
    }
)
ADDED_LATER = (
    "dropout", "backbone_fingerprint", "precision", "workers", "fusion", "image_size",
    "micro_batch", "expected_test_top1", "matched",
)  # fmt: skip
"""Columns that rows of earlier versions lack."""

PHASES = ("search", "confirm", "final")
STATUSES = ("completed", "stopped", "failed", "running")
REQUIRED = (
    "run_id", "suite", "task", "backbone", "method", "phase", "lr", "batch_size", "weight_decay",
    "epochs_planned", "seed", "status", "epochs_done", "seconds", "data_fingerprint", "versions",
    "started_at", "epoch", "train_loss", "images_per_second", "image", "target", "predicted",
    "correct",
)  # fmt: skip
"""Columns of all datasets that no row leaves empty."""

EPOCHS = pa.schema(
    {
        "run_id": pa.string(),
        "epoch": pa.int64(),
        "lr": pa.float64(),
        "train_loss": pa.float64(),
        "val_loss": pa.float64(),
        "val_top1": pa.float64(),
        "test_top1": pa.float64(),
        "seconds": pa.float64(),
        "images_per_second": pa.float64(),
        "decision": pa.string(),
    }
)
PREDICTIONS = pa.schema(
    {
        "run_id": pa.string(),
        "image": pa.int64(),
        "target": pa.int64(),
        "predicted": pa.int64(),
        "correct": pa.bool_(),
    }
)
