"""Datasets whose images lie together in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import ArraySource, FolderSource
from sa2vp.data.readers.base import Listing, SplitList
from sa2vp.data.readers.base.splits import hold_out
from sa2vp.suites import Task


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images and labels of one or more files.

    Attributes:
        images: uint8 ``(N, H, W, 3)``.
        labels: int64 ``(N,)``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def check_labelled(path: Path, task: Task, images: object, labels: object) -> Labelled:
    """Hold what a file contains to what it should.

    Args:
        path: of the file, for messages.
        task: whose labels.
        images: should be uint8 ``(N, H, W, 3)``.
        labels: should be as many whole numbers, from 0 on.

    Raises:
        DataError: it is something else; names the file.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[3:] != (3,):
        raise DataError(f"{path}: its images are no uint8 array of RGB")
    if images.size == 0:
        raise DataError(f"{path}: has no image")
    try:
        values = np.asarray(labels, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: its labels are no numbers") from error
    if values.shape != images.shape[:1]:
        raise DataError(f"{path}: has {len(images)} images and labels of shape {values.shape}")
    strange = values[(values != np.floor(values)) | (values < 0) | (values >= task.num_classes)]
    if strange.size:
        raise DataError(
            f"{path}: label {strange[0]:g} of {task.name} is not from 0 to {task.num_classes - 1}"
        )
    return Labelled(images, values.astype(np.int64))


def together(parts: Sequence[Labelled]) -> Labelled:
    """Join the files of one split."""
    images = np.concatenate([part.images for part in parts])
    return Labelled(images, np.concatenate([part.labels for part in parts]))


def list_arrays(
    folder: Path, files: Sequence[str], train: Labelled, test: Labelled, classes: Sequence[str]
) -> Listing:
    """List images in arrays; a fifth of ``train`` becomes val.

    Args:
        folder: of the dataset.
        files: in it, that the arrays were read from.
        train: what the dataset trains on.
        test: what it is tested on.
        classes: names of the labels, in order.
    """
    on_disk = FolderSource(folder)
    stamp = " ".join(on_disk.stamp(name) for name in files)
    arrays = {"train": train.images, "test": test.images}
    source = ArraySource(arrays, stamp, on_disk.location)
    kept, held_out = hold_out(_split("train", train))
    splits = {"train": kept, "val": held_out, "test": _split("test", test)}
    return Listing(folder, source, splits, classes)


def _split(array: str, of: Labelled) -> SplitList:
    return SplitList([f"{array}#{place}" for place in range(len(of.labels))], of.labels)
