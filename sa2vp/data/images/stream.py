"""Examples whose images are decoded each time they are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sa2vp.data.errors import UnreadableImageError
from sa2vp.data.images.batches import Draws, as_lists, gather_crops
from sa2vp.data.images.decode import Resizing, decode, decode_and_digest
from sa2vp.data.images.source import ImageSource


@dataclass(frozen=True, slots=True)
class StreamedImages:
    """N examples of a dataset on disk; an :class:`~sa2vp.data.images.batches.Examples`.

    Attributes:
        source: of the images.
        names: of the examples in it, N of them.
        targets: classes, int64 ``(N,)``.
        resizing: what the model's input is cut from.
        augmented: whether ``load`` takes random draws.
        workers: processes that decode ahead; with 0 this one decodes.
        digests: SHA-256 of each image's content, in hexadecimal digits, that every reading is held
            to; None holds it to nothing.
    """

    source: ImageSource
    names: Sequence[str]
    targets: Tensor
    resizing: Resizing
    augmented: bool
    workers: int
    digests: Sequence[str] | None = None

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.targets)

    def load(
        self, batches: Sequence[Tensor], draws: Sequence[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Decode batches, uint8 ``(B, 3, size, size)``: the pixels that a cache would give.

        The workers end with the iterator, also when it is closed early.

        Args:
            batches: indices, ``(B,)`` each.
            draws: for each batch numbers from 0 to 1, ``(B, 3)``: the place of the crop from the
                top and from the left, and one that is not used here. Without them crops are
                central.

        Raises:
            UnreadableImageError: an image cannot be decoded whole, or has changed.
        """
        loader = DataLoader(
            _Batches(self.source, self.names, self.resizing, self.digests),
            batch_size=None,  # an item is a batch
            sampler=as_lists(batches, draws),
            num_workers=self.workers,
            # Else a number is drawn from the generator that dropout draws from.
            generator=torch.Generator(),
        )
        for images in loader:
            if isinstance(images, UnreadableImageError):
                raise images
            yield images


@dataclass(frozen=True, slots=True)
class _Batches(Dataset[Tensor | UnreadableImageError]):
    """What a worker decodes; an error is handed over whole, not as a text with its traceback."""

    source: ImageSource
    names: Sequence[str]
    resizing: Resizing
    digests: Sequence[str] | None

    def __getitem__(self, batch: tuple[list[int], Draws | None]) -> Tensor | UnreadableImageError:
        indices, draws = batch
        try:
            return gather_crops(self._decode, indices, self.resizing.size, draws)
        except UnreadableImageError as error:
            return error

    def _decode(self, index: int) -> NDArray[np.uint8]:
        name = self.names[index]
        if self.digests is None:
            return decode(self.source, name, self.resizing)
        pixels, digest = decode_and_digest(self.source, name, self.resizing)
        if digest.hex() != self.digests[index]:
            raise UnreadableImageError(name, "has changed since it was checked")
        return pixels
