"""Examples whose images were decoded once and lie in a cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sa2vp.data.cache import Cache
from sa2vp.data.cropping import as_lists, gather_crops
from sa2vp.data.resizing import Resizing


@dataclass(frozen=True, slots=True)
class CachedImages:
    """N examples of a cache; an :class:`~sa2vp.data.examples.Examples`.

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
