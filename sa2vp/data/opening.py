"""From a task to the images that its runs load."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sa2vp.data.cache import open_cache
from sa2vp.data.cached_images import CachedImages
from sa2vp.data.examples import Examples, TensorExamples
from sa2vp.data.loading import load_task
from sa2vp.data.options import DataOptions
from sa2vp.data.preparation import CACHES
from sa2vp.data.reading import read_task
from sa2vp.data.resizing import Resizing
from sa2vp.data.streamed_images import StreamedImages
from sa2vp.data.tasks import Task


@dataclass(frozen=True, slots=True)
class TaskImages:
    """The images of one run.

    Attributes:
        train: what it trains on.
        val: None in final runs that train on it too.
        test: None in a search.
    """

    train: Examples
    val: Examples | None
    test: Examples | None


def open_images(task: Task, options: DataOptions, size: int, *, final: bool) -> TaskImages:
    """Open a task's images for a run.

    Args:
        task: whose images.
        options: where they come from. Decoded images are kept as ``cached`` says; what is not there
            yet is decoded now.
        size: height and width of the model's input.
        final: as :func:`~sa2vp.training.build.build_run` has it.

    Raises:
        DataError: they cannot be used.
    """
    splits = task.final_splits if final else ("train",)
    return TaskImages(
        train=_open(task, options, size, splits),
        val=None if "val" in splits else _open(task, options, size, ("val",)),
        test=_open(task, options, size, ("test",)) if final else None,
    )


@lru_cache(maxsize=8)  # runs of one task follow each other in a process
def _open(task: Task, options: DataOptions, size: int, splits: tuple[str, ...]) -> Examples:
    if task.format == "drawn":
        return _drawn(task, splits)
    listing = read_task(task, Path(options.data_dir or "."))
    labels = np.concatenate([listing.splits[split].labels for split in splits])
    targets, resizing = torch.from_numpy(labels), Resizing(size, task.transform)
    augmented = task.transform == "crop" and "train" in splits
    if not options.cached:
        names = listing.names(splits)
        return StreamedImages(
            listing.source, names, targets, resizing, augmented, workers=options.loaders
        )
    together = next(group for group in CACHES if splits[0] in group)
    names = listing.names(together)
    cache = open_cache(listing.source, names, resizing, options.cache_path)
    places = np.arange(len(cache))
    starts = np.cumsum([len(listing.splits[split]) for split in together])[:-1]
    rows = dict(zip(together, np.split(places, starts), strict=True))
    chosen = np.concatenate([rows[split] for split in splits])
    return CachedImages(cache, chosen, targets, resizing, augmented)


def _drawn(task: Task, splits: tuple[str, ...]) -> TensorExamples:
    parts = [getattr(load_task(task), split) for split in splits]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return TensorExamples(torch.from_numpy(images), torch.from_numpy(labels))
