"""From a row of ``tasks.TASKS`` to its decoded splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache

from sa2vp.data import demo
from sa2vp.data.splits import Split, TaskData
from sa2vp.suites import Task

LOADERS: dict[tuple[str, str], Callable[[], TaskData]] = {
    ("demo", "digits"): demo.digits,
    ("demo", "location"): demo.location,
    ("demo", "orientation"): demo.orientation,
}
"""How to make the data of each task, by suite and name."""


@lru_cache
def load_task(task: Task) -> TaskData:
    """Decode a task's splits; a second call returns the same arrays.

    Raises:
        ValueError: no loader is known for the task, or a label is outside its classes.
    """
    loader = LOADERS.get((task.suite, task.name))
    if loader is None:
        known = ", ".join("/".join(key) for key in LOADERS)
        raise ValueError(f"no loader for task {task.suite}/{task.name}; known: {known}")
    data = loader()
    for field in fields(data):
        _check_labels(task, field.name, getattr(data, field.name))
    return data


def _check_labels(task: Task, split_name: str, split: Split) -> None:
    low, high = split.labels.min(), split.labels.max()
    if low < 0 or high >= task.num_classes:
        raise ValueError(
            f"{task.suite}/{task.name} {split_name}: labels must lie in 0 to "
            f"{task.num_classes - 1}, got {low} to {high}"
        )
