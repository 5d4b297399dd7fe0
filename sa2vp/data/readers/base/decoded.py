"""The decoded images and labels of one task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Split:
    """One split, decoded.

    Attributes:
        images: uint8 ``(N, 3, H, W)``, RGB, 0 to 255.
        labels: int64 ``(N,)``, 0 to ``num_classes - 1``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse arrays of another type, shape or length: a wrong one trains silently."""
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(
                f"images must be uint8 (N, 3, H, W), got {self.images.dtype} {self.images.shape}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels must be int64 ({len(self.images)},), "
                f"got {self.labels.dtype} {self.labels.shape}"
            )

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)


@dataclass(frozen=True)
class TaskData:
    """The three splits of a task. Selection sees ``train`` and ``val`` only."""

    train: Split
    val: Split
    test: Split

    @cached_property
    def fingerprint(self) -> str:
        """Hash every image, label and split boundary: 16 hexadecimal digits of a SHA-256."""
        digest = hashlib.sha256()
        for field in fields(self):
            split: Split = getattr(self, field.name)
            digest.update(f"{field.name} {split.images.shape}".encode())
            digest.update(split.images.tobytes())
            digest.update(split.labels.tobytes())
        return digest.hexdigest()[:16]
