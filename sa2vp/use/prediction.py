"""The most probable classes of every image, as a table."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sa2vp.data.errors import UnreadableImageError
from sa2vp.methods import Method
from sa2vp.models.learned import LearnedArrays
from sa2vp.text import for_spreadsheets
from sa2vp.use.files import whole_file

Prepare = Callable[[Path], Tensor]
"""From an image file to the model's input, ``(1, 3, height, width)``."""

_MAX_DECODERS = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Images that pass through the model together.

    Attributes:
        paths: of those that could be read.
        images: ``(B, 3, height, width)``, prepared; None where none could be read.
        unreadable: the others, and why, by path.
    """

    paths: list[str]
    images: Tensor | None
    unreadable: dict[str, str]


def read_batches(
    root: Path, paths: Sequence[str], prepare: Prepare, batch_size: int
) -> Iterator[Batch]:
    """Read images in order; while the caller computes with a batch, the next one is decoded.

    Threads serve here: decoding and resizing leave Python's lock, and the worker processes of a
    DataLoader would pass batches through shared memory, of which containers have little.

    Args:
        root: of the paths.
        paths: of the images.
        prepare: reads an image.
        batch_size: images in a batch.
    """

    def read(path: str) -> Tensor | str:
        try:
            return prepare(root / path)
        except UnreadableImageError as error:
            return error.reason

    groups = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
    ahead: deque[list[Future[Tensor | str]]] = deque()
    with ThreadPoolExecutor(min(_MAX_DECODERS, os.cpu_count() or 1)) as decoders:
        for index, group in enumerate(groups):
            for coming in groups[index + len(ahead) : index + 2]:
                ahead.append([decoders.submit(read, path) for path in coming])
            yield _collect(group, [future.result() for future in ahead.popleft()])


def _collect(paths: Sequence[str], outcomes: Sequence[Tensor | str]) -> Batch:
    found = dict(zip(paths, outcomes, strict=True))
    images = {path: image for path, image in found.items() if isinstance(image, Tensor)}
    unreadable = {path: reason for path, reason in found.items() if isinstance(reason, str)}
    return Batch(list(images), torch.cat([*images.values()]) if images else None, unreadable)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model says about P images.

    Attributes:
        paths: of the images that could be read.
        labels: int64 ``(P, K)``, the K most probable classes, the most probable first.
        probabilities: float32 ``(P, K)``.
        unreadable: the other images, and why, by path.
    """

    paths: list[str]
    labels: Tensor
    probabilities: Tensor
    unreadable: dict[str, str]


def predict(
    model: LearnedArrays,
    method: Method,
    batches: Iterable[Batch],
    top_k: int,
    done: Callable[[int], None],
) -> Predictions:
    """Predict every image, in float32, where the model lies.

    Args:
        model: in evaluation mode.
        method: of the model.
        batches: of prepared images.
        top_k: K.
        done: told after each batch how many images it held.
    """
    device = next(model.parameters()).device
    paths: list[str] = []
    labels = [torch.empty(0, top_k, dtype=torch.int64)]
    probabilities = [torch.empty(0, top_k)]
    unreadable: dict[str, str] = {}
    for batch in batches:
        if batch.images is not None:
            top = top_classes(model, method, batch.images.to(device), top_k)
            labels.append(top[0])
            probabilities.append(top[1])
        paths += batch.paths
        unreadable |= batch.unreadable
        done(len(batch.paths) + len(batch.unreadable))
    return Predictions(paths, torch.cat(labels), torch.cat(probabilities), unreadable)


@torch.inference_mode()
def top_classes(
    model: LearnedArrays, method: Method, images: Tensor, top_k: int
) -> tuple[Tensor, Tensor]:
    """Give the most probable classes of images, by the softmax of the logits.

    Args:
        model: in evaluation mode.
        method: of the model.
        images: prepared, ``(B, 3, height, width)``.
        top_k: K.

    Returns:
        Labels, int64 ``(B, K)``, and their probabilities, float32 ``(B, K)``, the highest first;
        of equal ones the lower label.
    """
    all_probabilities = method.logits(model(images)).float().softmax(1)
    probabilities, labels = all_probabilities.sort(dim=1, descending=True, stable=True)
    return labels[:, :top_k].cpu(), probabilities[:, :top_k].cpu()


def table(predictions: Predictions, class_names: Sequence[str] | None) -> pd.DataFrame:
    """Lay predictions out, a row per image and rank.

    Returns:
        Columns ``path``, ``rank`` (1 is the most probable), ``label``, ``class_name`` where names
        are given, ``probability``.
    """
    count, top_k = predictions.labels.shape
    labels = predictions.labels.flatten().numpy()
    columns = {
        "path": np.repeat(np.array(predictions.paths, dtype=object), top_k),
        "rank": np.tile(np.arange(1, top_k + 1), count),
        "label": labels,
    }
    if class_names is not None:
        columns["class_name"] = np.array(class_names, dtype=object)[labels]
    return pd.DataFrame(columns | {"probability": predictions.probabilities.flatten().numpy()})


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write UTF-8 text with a header line, and a line for each row."""
    texts = frame.columns.intersection(["path", "class_name"])
    safe = frame.assign(**{name: frame[name].map(for_spreadsheets) for name in texts})
    safe.to_csv(path, index=False, lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file."""
    frame.to_parquet(path, index=False)


WRITERS = {".csv": write_csv, ".parquet": write_parquet}


def write_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format that the suffix names, whole or not at all.

    Raises:
        UseError: the file cannot be written.
    """
    with whole_file(path) as partial:
        WRITERS[path.suffix](frame, partial)
