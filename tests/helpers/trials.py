"""What a trial is given, without a search: on so few images that an epoch is two steps."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from shades import write_shades

from sa2vp.data.check import check_task
from sa2vp.data.custom import custom_task
from sa2vp.data.options import DataOptions

TASKS = ("photos", "others")
HYPERPARAMETERS = {
    "inter_dim": 4,
    "inter_weight": 0.5,
    "lr": 1e-3,
    "batch_size": 40,
    "weight_decay": 1e-4,
    "dropout": 0.1,
}


@cache
def home() -> tempfile.TemporaryDirectory[str]:
    """Write the tasks' images, 81, 6 and 6 for training, validation and test."""
    folder = tempfile.TemporaryDirectory(prefix="sa2vp-trials-")
    for seed, task in enumerate(TASKS):
        write_shades(Path(folder.name) / task, {"train": 27, "val": 2, "test": 2}, seed)
    return folder


def data_of(task: str) -> DataOptions:
    folder = Path(home().name)
    return DataOptions(data_dir=str(folder / task), cache_dir=str(folder / "cache"))


@cache
def manifest_of(task: str) -> dict[str, Any]:
    """What the driver has seen of a task's data."""
    options = data_of(task)
    assert options.data_dir is not None
    manifest = check_task(custom_task(Path(options.data_dir)), options).manifest
    assert manifest is not None
    return asdict(manifest)


def config(phase: str = "search", task: str = "photos", **values: Any) -> dict[str, Any]:
    options = data_of(task)
    assert options.data_dir is not None
    return {
        "run_id": f"custom-{task}-{phase}-0001",
        "task": task,
        "task_row": asdict(custom_task(Path(options.data_dir))),
        "data": asdict(options),
        "manifest": manifest_of(task),
        "phase": phase,
        "precision": "auto",
        "test_every": 0,
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
