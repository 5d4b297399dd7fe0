"""Decode the images of a search before it starts, so that no run waits and no damage comes late."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sa2vp.data.cache import CachePlan, plan_cache
from sa2vp.data.options import DataOptions
from sa2vp.data.reading import read_task
from sa2vp.data.resizing import Resizing
from sa2vp.suites import Task

CACHES = (("train", "val"), ("test",))
"""Splits that are kept together. A search alone never opens the second."""


def missing_caches(tasks: Sequence[Task], options: DataOptions, size: int) -> list[CachePlan]:
    """Plan what is not decoded yet, for inputs of ``size`` pixels.

    Args:
        tasks: whose images.
        options: where they come from and are kept.
        size: of the model's input, in pixels.

    Raises:
        DataError: images are not there or cannot be decoded.
    """
    plans = []
    for task in tasks:
        if task.format == "drawn":
            continue
        listing = read_task(task, Path(options.data_dir or "."))
        resizing = Resizing(size, task.transform)
        for splits in CACHES:
            names = listing.names(splits)
            plans.append(plan_cache(listing.source, names, resizing, options.cache_path))
    return [plan for plan in plans if plan.missing_bytes]
