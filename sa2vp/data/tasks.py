"""Every task the project knows, one row each. Importing this module loads no image and no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One dataset with its split and class count.

    Attributes:
        name: as given to ``--tasks``; unique within its suite.
        suite: the list of tasks it belongs to, as given to ``--suite``.
        group: the part of the result table that the task's accuracy is averaged in.
        num_classes: labels run from 0 to ``num_classes - 1``.
        summary: what is on the images and what is asked of them.
    """

    name: str
    suite: str
    group: str
    num_classes: int
    summary: str


TASKS = (
    Task(
        name="digits",
        suite="demo",
        group="natural",
        num_classes=10,
        summary="scanned handwritten digits (scikit-learn): which digit",
    ),
    Task(
        name="location",
        suite="demo",
        group="structured",
        num_classes=16,
        summary="drawn sprites: which of 16 columns the sprite's centre lies in",
    ),
    Task(
        name="orientation",
        suite="demo",
        group="structured",
        num_classes=16,
        summary="drawn sprites: which of 16 turns the sprite has",
    ),
)

SUITES = tuple(dict.fromkeys(task.suite for task in TASKS))


def suite_tasks(suite: str, names: list[str] | None = None) -> list[Task]:
    """List a suite's tasks, or those of them that are named, in the suite's order.

    Raises:
        ValueError: an unknown suite or task; the message lists the known ones.
    """
    known = {task.name: task for task in TASKS if task.suite == suite}
    if not known:
        raise ValueError(f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    for name in names or []:
        if name not in known:
            raise ValueError(f"unknown task {name!r} in suite {suite}; known: {', '.join(known)}")
    return [task for name, task in known.items() if not names or name in names]
