"""From image files to pixels at the size they are kept at, and what size that is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sa2vp.data.errors import UnreadableImageError
from sa2vp.data.images.pillow import FORMATS, as_rgb, check_pixels
from sa2vp.data.images.source import ImageSource
from sa2vp.disk_errors import is_refusal
from sa2vp.suites import Transform
from sa2vp.text import one_line


@dataclass(frozen=True, slots=True)
class Resizing:
    """From a decoded image of any size to ``size`` x ``size`` pixels.

    Attributes:
        size: height and width that the backbone expects, in pixels.
        kind: ``resize`` distorts the image to that size. ``crop`` resizes its shorter side to 8/7
            of it (256 for 224) and keeps the aspect; the model sees a crop.
    """

    size: int
    kind: Transform

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


def decode(source: ImageSource, name: str, resizing: Resizing) -> NDArray[np.uint8]:
    """Decode and resize an image, as torchvision's ``Resize`` does with Pillow's images.

    Returns:
        RGB ``(h, w, 3)``, of the size that ``resizing`` keeps; of several frames the first.

    Raises:
        UnreadableImageError: it cannot be decoded whole.
    """
    with blaming(name), source.open(name) as image:
        return _resize(image, resizing)


def decode_and_digest(
    source: ImageSource, name: str, resizing: Resizing
) -> tuple[NDArray[np.uint8], bytes]:
    """Decode an image as :func:`decode` does, and digest its content, reading its file once.

    Returns:
        The pixels, and the SHA-256 of the content.
    """
    with blaming(name):
        content, image = source.read(name)
        with image:
            return _resize(image, resizing), hashlib.sha256(content).digest()


def stored_size(source: ImageSource, name: str, resizing: Resizing) -> tuple[int, int]:
    """Tell the height and width that an image is kept at, from its header.

    Raises:
        UnreadableImageError: it has no header that can be read.
    """
    with blaming(name), source.open(name) as image:
        return _stored_size(image, resizing)


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Name the image that an error is about."""
    try:
        yield
    except Exception as error:  # damaged images end in many kinds of errors
        if is_refusal(error):  # no image's fault
            raise
        raise UnreadableImageError(name, _reason(error, name)) from error


def _stored_size(image: Image.Image, resizing: Resizing) -> tuple[int, int]:
    height, width = resizing.stored_size(image.height, image.width)
    check_pixels(height, width, "resized it would have")  # a thin one grows
    return height, width


def _resize(image: Image.Image, resizing: Resizing) -> NDArray[np.uint8]:
    height, width = _stored_size(image, resizing)
    return np.asarray(as_rgb(image).resize((width, height), Image.Resampling.BILINEAR))


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)})"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return one_line(error).removeprefix(f"{name}: ")
