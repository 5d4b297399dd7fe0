"""What a trial of the demo is given, without a search."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from sa2vp.data.check import check_task
from sa2vp.data.options import DataOptions
from sa2vp.suites import suite_tasks

HYPERPARAMETERS = {
    "inter_dim": 4,
    "inter_weight": 0.5,
    "lr": 1e-3,
    "batch_size": 40,
    "weight_decay": 1e-4,
    "dropout": 0.1,
}


@lru_cache
def manifest_of(task: str) -> dict[str, Any]:
    """What the driver has seen of a task's data."""
    manifest = check_task(*suite_tasks("demo", [task]), DataOptions()).manifest
    assert manifest is not None
    return asdict(manifest)


def config(phase: str = "search", task: str = "digits", **values: Any) -> dict[str, Any]:
    return {
        "run_id": f"demo-{task}-{phase}-0001",
        "task": task,
        "task_row": asdict(suite_tasks("demo", [task])[0]),
        "data": asdict(DataOptions()),
        "manifest": manifest_of(task),
        "phase": phase,
        "precision": "auto",
        "threads": 1,
        "identity": {"uid": "1", "data": "f00d"},
        "start": 1,
        "checkpoints": [],
        "resources": {"CPU": 1.0},
        "method": {"name": "sa2vp"},
        "hyperparameters": HYPERPARAMETERS | values,
        "epochs": 2,
        "seed": 3,
    }
