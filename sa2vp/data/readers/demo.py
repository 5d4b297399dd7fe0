"""The demo's three tasks, which need no files: scanned digits, and sprites drawn here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sa2vp.data.images.source import ArraySource
from sa2vp.data.readers.base import Listing, Reader, SplitList
from sa2vp.data.readers.base.decoded import Split, TaskData
from sa2vp.data.sprites import IMAGE_SIZE, render
from sa2vp.suites import Task

TRAIN_SIZE = 320
VAL_SIZE = 200
TEST_SIZE = 400

DIGITS_SEED = 0
LOCATION_SEED = 1
ORIENTATION_SEED = 2

NUM_COLUMNS = 16
COLUMN_PX = 1.5
FIRST_COLUMN_PX = 4.0
"""The columns span pixels 4 to 28, so that no sprite is cut off at the edge."""

NUM_TURNS = 16
TURN_DEG = 22.5

LOCATION_SHAPES = ("ellipse", "square", "heart")
ORIENTATION_SHAPES = ("heart", "arrow", "moon")
"""None looks the same after less than a full turn, so that all 16 labels are well defined."""


def digits() -> TaskData:
    """Load scikit-learn's 8x8 scans of digits, enlarged to 32x32, in a stratified split."""
    scans = load_digits()
    order = np.arange(len(scans.target))
    rest, test = train_test_split(
        order, test_size=TEST_SIZE, stratify=scans.target, random_state=DIGITS_SEED
    )
    train, val = train_test_split(
        rest,
        train_size=TRAIN_SIZE,
        test_size=VAL_SIZE,
        stratify=scans.target[rest],
        random_state=DIGITS_SEED,
    )
    weights = bilinear_weights(scans.images.shape[1], IMAGE_SIZE)
    grey = np.rint(weights @ scans.images @ weights.T * (255 / 16)).astype(np.uint8)
    labels = scans.target.astype(np.int64)
    return TaskData(*(Split(_as_rgb(grey[part]), labels[part]) for part in (train, val, test)))


def location() -> TaskData:
    """Draw sprites whose label is the column, one of 16, that their centre of area lies in.

    Shape, scale, turn and height vary freely. Centres keep a tenth of a column away from the
    column's edges, so that rounding cannot move a sprite into the next one.
    """
    rng = np.random.default_rng(LOCATION_SEED)
    labels = _balanced_labels(NUM_COLUMNS, rng)
    count = len(labels)
    shapes = rng.choice(LOCATION_SHAPES, count)
    x = FIRST_COLUMN_PX + COLUMN_PX * (labels + rng.uniform(0.1, 0.9, count))
    y = rng.uniform(FIRST_COLUMN_PX, IMAGE_SIZE - FIRST_COLUMN_PX, count)
    centres = np.column_stack([x, y])
    radii = rng.uniform(2.2, 3.5, count)
    turns = rng.uniform(0, 360, count)
    grey = [render(*sprite) for sprite in zip(shapes, centres, radii, turns, strict=True)]
    return _consecutive_splits(np.stack(grey), labels)


def orientation() -> TaskData:
    """Draw sprites whose label is their turn, 0 to 15 steps of 22.5 degrees counter-clockwise.

    Shape, scale and place vary freely.
    """
    rng = np.random.default_rng(ORIENTATION_SEED)
    labels = _balanced_labels(NUM_TURNS, rng)
    count = len(labels)
    shapes = rng.choice(ORIENTATION_SHAPES, count)
    centres = rng.uniform(10, IMAGE_SIZE - 10, (count, 2))
    radii = rng.uniform(4.5, 7.5, count)
    turns = TURN_DEG * labels
    grey = [render(*sprite) for sprite in zip(shapes, centres, radii, turns, strict=True)]
    return _consecutive_splits(np.stack(grey), labels)


def bilinear_weights(source: int, target: int) -> NDArray[np.float64]:
    """Tabulate linear interpolation between pixel centres, the edge pixels extended outwards.

    Returns:
        ``(target, source)``; every row sums to 1.
    """
    position = (np.arange(target) + 0.5) * source / target - 0.5
    distance = np.clip(position, 0, source - 1)[:, None] - np.arange(source)
    return np.maximum(0.0, 1.0 - abs(distance))


def _balanced_labels(num_classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Shuffle equally frequent labels within each split, the splits one after the other."""
    parts = [
        rng.permutation(np.arange(size, dtype=np.int64) % num_classes)
        for size in (TRAIN_SIZE, VAL_SIZE, TEST_SIZE)
    ]
    return np.concatenate(parts)


def _as_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat ``(N, H, W)`` into three channels, ``(N, 3, H, W)``."""
    return np.repeat(grey[:, None], 3, axis=1)


def _consecutive_splits(grey: NDArray[np.uint8], labels: NDArray[np.int64]) -> TaskData:
    """Cut the drawn images into train, val and test, in the order they were drawn."""
    images = _as_rgb(grey)
    cuts = (TRAIN_SIZE, TRAIN_SIZE + VAL_SIZE)
    return TaskData(
        *(Split(*part) for part in zip(np.split(images, cuts), np.split(labels, cuts), strict=True))
    )


LOADERS: dict[tuple[str, str], Callable[[], TaskData]] = {
    ("demo", "digits"): digits,
    ("demo", "location"): location,
    ("demo", "orientation"): orientation,
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


def read_demo(task: Task, data_dir: Path) -> Listing:
    """Make the images of a task."""
    del data_dir
    data = load_task(task)
    made = {field.name: getattr(data, field.name) for field in fields(data)}
    arrays = {name: split.images.transpose(0, 2, 3, 1) for name, split in made.items()}
    return Listing(
        folder=None,
        source=ArraySource(arrays, data.fingerprint),
        splits={
            name: SplitList([f"{name}#{place}" for place in range(len(split))], split.labels)
            for name, split in made.items()
        },
        classes=[str(label) for label in range(task.num_classes)],
        decoded=data,
    )


READER = Reader(read_demo)
