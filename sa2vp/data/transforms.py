"""From decoded images to what a backbone expects, for whole batches."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Normalise:
    """Resize to the backbone's input size and normalise with mean and standard deviation 0.5.

    Attributes:
        size: height and width that the backbone expects, in pixels.
    """

    size: tuple[int, int]

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 ``(B, 3, H, W)`` into float32 ``(B, 3, *size)`` from -1 to 1."""
        batch = images.float()
        if batch.shape[2:] != self.size:
            batch = F.interpolate(batch, self.size, mode="bilinear", antialias=True)
        return batch / 127.5 - 1
