"""What a reader returns: which images a task has and what they show, before any is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa2vp.data.images.source import ImageSource

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class SplitList:
    """The images of one split.

    Attributes:
        names: of the images, as the listing's source knows them; ``(N,)``.
        labels: int64 ``(N,)``, 0 to ``num_classes - 1``.
    """

    names: Sequence[str]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse labels of another type or number: wrong ones train silently."""
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.names),):
            raise ValueError(
                f"labels must be int64 ({len(self.names)},), "
                f"got {self.labels.dtype} {self.labels.shape}"
            )

    def __len__(self) -> int:
        """Count the images."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader found on disk.

    Attributes:
        folder: of the dataset.
        source: of the images.
        splits: train, val and test.
        classes: the dataset's own name or number of each label, in order.
    """

    folder: Path
    source: ImageSource
    splits: Mapping[str, SplitList]
    classes: Sequence[str]

    def names(self, splits: Sequence[str]) -> list[str]:
        """List the images of several splits, one split after the other."""
        return [name for split in splits for name in self.splits[split].names]
