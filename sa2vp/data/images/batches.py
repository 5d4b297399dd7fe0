"""What a run trains on and is evaluated with: inputs, loaded batch by batch, and their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sa2vp.data.images.cache import Cache
from sa2vp.data.images.decode import Resizing

Draws = Sequence[Sequence[float]]
"""For each image of a batch numbers from 0 to 1: the crop's place from the top, from the left."""


class Examples(Protocol):
    """N examples, wherever their inputs lie."""

    @property
    def targets(self) -> Tensor:
        """Give the classes, int64 ``(N,)``."""

    @property
    def augmented(self) -> bool:
        """Tell whether ``load`` takes random draws: a crop, say, differs in every epoch."""

    def __len__(self) -> int:
        """Count the examples."""

    def load(
        self, batches: Sequence[Tensor], draws: Sequence[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Load batches of inputs, ``(B, ...)`` each, as they are stored.

        Args:
            batches: indices, ``(B,)`` each.
            draws: where augmented, for each batch numbers from 0 to 1, ``(B, 3)``: the place of
                the crop from the top, from the left, and whether it is flipped (below 0.5), which
                is left to the run. Without them inputs are as in evaluation.
        """


@dataclass(frozen=True, slots=True)
class TensorExamples:
    """Inputs ``(N, ...)`` in memory, and their classes."""

    inputs: Tensor
    targets: Tensor
    augmented: bool = False

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.targets)

    def load(
        self,
        batches: Sequence[Tensor],
        draws: Sequence[Tensor] | None = None,  # noqa: ARG002 - nothing is drawn
    ) -> Iterator[Tensor]:
        """Select each batch's inputs."""
        return (self.inputs[batch] for batch in batches)


@dataclass(frozen=True, slots=True)
class CachedImages:
    """N examples of a cache; an :class:`Examples`.

    Attributes:
        cache: of decoded images.
        rows: where in it the examples lie, int64 ``(N,)``.
        targets: classes, int64 ``(N,)``.
        resizing: that the cache was made with.
        augmented: whether ``load`` takes random draws.
    """

    cache: Cache
    rows: NDArray[np.int64]
    targets: Tensor
    resizing: Resizing
    augmented: bool

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.targets)

    def load(
        self, batches: Sequence[Tensor], draws: Sequence[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Copy each batch's crops out of the cache, uint8 ``(B, 3, size, size)``.

        Args:
            batches: indices, ``(B,)`` each.
            draws: for each batch numbers from 0 to 1, ``(B, 3)``: the place of the crop from the
                top and from the left, and one that is not used here. Without them crops are
                central.
        """
        for batch, draw in as_lists(batches, draws):
            rows = self.rows[batch].tolist()
            yield gather_crops(self.cache.image, rows, self.resizing.size, draw)


def as_lists(
    batches: Sequence[Tensor], draws: Sequence[Tensor] | None
) -> list[tuple[list[int], Draws | None]]:
    """Pair each batch's indices ``(B,)`` with its draws ``(B, 3)``, as plain numbers.

    Other processes get plain numbers faster than tensors, each of which takes a shared file.
    """
    if draws is None:
        return [(batch.tolist(), None) for batch in batches]
    return [(b.tolist(), d.tolist()) for b, d in zip(batches, draws, strict=True)]


def gather_crops(
    image: Callable[[int], NDArray[np.uint8]],
    rows: Sequence[int],
    size: int,
    draws: Draws | None = None,
) -> Tensor:
    """Cut a square out of each image of a batch.

    Args:
        image: gives the image of a row, ``(h, w, 3)``, neither side shorter than ``size``.
        rows: the batch, B of them.
        size: height and width of the crops, in pixels.
        draws: where to crop; without them in the centre.

    Returns:
        uint8 ``(B, 3, size, size)``, in memory ``(B, size, size, 3)`` as the images are.
    """
    crops = np.empty((len(rows), size, size, 3), np.uint8)
    places: Sequence[Sequence[float] | None] = [None] * len(rows) if draws is None else draws
    for crop, row, place in zip(crops, rows, places, strict=True):
        pixels = image(row)
        top, left = _corner(pixels.shape[0] - size, pixels.shape[1] - size, place)
        crop[:] = pixels[top : top + size, left : left + size]
    return torch.from_numpy(crops).permute(0, 3, 1, 2)


def _corner(spare_rows: int, spare_columns: int, draw: Sequence[float] | None) -> tuple[int, int]:
    """Place a crop as torchvision does: ``RandomCrop`` where drawn, else ``CenterCrop``.

    Args:
        spare_rows: of pixels, which the crop leaves out.
        spare_columns: likewise.
        draw: numbers from 0 to 1.
    """
    if draw is None:
        return round(spare_rows / 2), round(spare_columns / 2)
    return _nth(draw[0], spare_rows), _nth(draw[1], spare_columns)


def _nth(number: float, last: int) -> int:
    """Pick one of 0 to ``last``, each equally likely, by a number from 0 to 1."""
    return min(int(number * (last + 1)), last)
