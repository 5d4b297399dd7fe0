"""What an image is resized to before it is kept, and which part of that the model sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Resizing:
    """From a decoded image of any size to ``size`` x ``size`` pixels.

    Attributes:
        size: height and width that the backbone expects, in pixels.
        kind: ``resize`` distorts the image to that size. ``crop`` resizes its shorter side to 8/7
            of it (256 for 224) and keeps the aspect; the model sees a crop.
    """

    size: int
    kind: Literal["resize", "crop"]

    def stored_size(self, height: int, width: int) -> tuple[int, int]:
        """Give the height and width that a decoded image is kept at, as torchvision's Resize."""
        if self.kind == "resize":
            return self.size, self.size
        short = self.short_side
        if height <= width:
            return short, int(short * width / height)
        return int(short * height / width), short

    @property
    def short_side(self) -> int:
        """Give the shorter side before a crop."""
        return round(self.size * 8 / 7)
