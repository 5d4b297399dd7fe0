"""From a task to the images that its runs load, and what is to be decoded before they do."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from sa2vp.data.errors import DataError
from sa2vp.data.fingerprint import Manifest, make_manifest, what_changed
from sa2vp.data.images.batches import CachedImages, Examples, TensorExamples
from sa2vp.data.images.cache import Cache, CachePlan, open_cache, plan_cache
from sa2vp.data.images.decode import Resizing
from sa2vp.data.images.facts import examine
from sa2vp.data.images.stream import StreamedImages
from sa2vp.data.options import DataOptions
from sa2vp.data.readers import read_task
from sa2vp.data.readers.base import Listing
from sa2vp.data.readers.base.decoded import TaskData
from sa2vp.suites import Task

CACHES = (("train", "val"), ("test",))
"""Splits that are kept together. A search alone never opens the second."""


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


@dataclass(frozen=True, slots=True)
class _Opened:
    """Some splits, and what they are; None where nobody asks."""

    examples: Examples
    manifest: Manifest | None


def open_images(
    task: Task, options: DataOptions, size: int, *, final: bool, expected: Manifest | None = None
) -> TaskImages:
    """Open a task's images for a run.

    Args:
        task: whose images.
        options: where they come from. Decoded images are kept as ``cached`` says; what is not there
            yet is decoded now.
        size: height and width of the model's input.
        final: as :func:`~sa2vp.training.build.build_run` has it.
        expected: the task's data where they were checked. Here, on another machine perhaps, the
            splits that the run reads have to be the same; None opens whatever is there.

    Raises:
        DataError: they cannot be used, or are not those that were checked.
    """

    def open_splits(*splits: str) -> Examples:
        opened = _open(task, options, size, splits, expected is not None)
        if expected is not None and opened.manifest is not None:
            _hold_to(expected, opened.manifest, options.data_dir or f"{task.suite}/{task.name}")
        return opened.examples

    splits = task.final_splits if final else ("train",)
    return TaskImages(
        train=open_splits(*splits),
        val=None if "val" in splits else open_splits("val"),
        test=open_splits("test") if final else None,
    )


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
        listing = read_task(task, options.data_path)
        if listing.decoded is not None:
            continue
        resizing = Resizing(size, task.transform)
        for splits in CACHES:
            names = listing.names(splits)
            plans.append(plan_cache(listing.source, names, resizing, options.cache_path))
    return [plan for plan in plans if plan.missing_bytes]


def _hold_to(expected: Manifest, found: Manifest, where: str) -> None:
    """Refuse other data than were checked.

    Raises:
        DataError: says of which split what differs.
    """
    noted = Manifest({split: expected.splits[split] for split in found.splits})
    if noted != found:
        raise DataError(
            f"{where} on {platform.node()}: {what_changed(noted, found)} from what was checked "
            "before the search; put the same data there"
        )


@lru_cache(maxsize=8)  # runs of one task follow each other in a process
def _open(
    task: Task, options: DataOptions, size: int, splits: tuple[str, ...], described: bool
) -> _Opened:
    listing = read_task(task, options.data_path)
    if listing.decoded is not None:
        return _Opened(_as_tensors(listing.decoded, splits), make_manifest(listing, {}))
    names = listing.names(splits)
    labels = np.concatenate([listing.splits[split].labels for split in splits])
    targets, resizing = torch.from_numpy(labels), Resizing(size, task.transform)
    augmented = task.transform == "crop" and "train" in splits
    examples: Examples
    digests: list[str] | None = None
    if options.cached:
        cache, rows = _open_cache(listing, options, resizing, splits)
        examples = CachedImages(cache, rows, targets, resizing, augmented)
        digests = [digest.tobytes().hex() for digest in cache.digests[rows]]
    else:
        if described:  # remembered where the data were checked; elsewhere each image is read now
            facts = examine(listing.source, names, options.cache_path)
            digests = [facts[name].digest for name in names]
        examples = StreamedImages(
            listing.source, names, targets, resizing, augmented, options.loaders, digests
        )
    if digests is None:
        return _Opened(examples, None)
    opened = replace(listing, splits={split: listing.splits[split] for split in splits})
    return _Opened(examples, make_manifest(opened, dict(zip(names, digests, strict=True))))


def _open_cache(
    listing: Listing, options: DataOptions, resizing: Resizing, splits: tuple[str, ...]
) -> tuple[Cache, NDArray[np.int64]]:
    """Open the cache that some splits are kept in; tell where in it their images lie."""
    together = next(group for group in CACHES if splits[0] in group)
    cache = open_cache(listing.source, listing.names(together), resizing, options.cache_path)
    starts = np.cumsum([len(listing.splits[split]) for split in together])[:-1]
    rows = dict(zip(together, np.split(np.arange(len(cache)), starts), strict=True))
    return cache, np.concatenate([rows[split] for split in splits])


def _as_tensors(data: TaskData, splits: tuple[str, ...]) -> TensorExamples:
    parts = [getattr(data, split) for split in splits]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return TensorExamples(torch.from_numpy(images), torch.from_numpy(labels))
