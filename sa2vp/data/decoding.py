"""From image files to pixels at the size they are kept at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sa2vp.data.formats import FORMATS, as_rgb, check_pixels
from sa2vp.data.listing import DataError, ImageSource
from sa2vp.data.resizing import Resizing
from sa2vp.disk_errors import is_refusal
from sa2vp.text import one_line, printable

NAMED = 5
"""Unreadable images that a message names; the others it counts."""


class UnreadableImageError(DataError):
    """An image that cannot be decoded whole.

    Attributes:
        name: as the source knows it.
        reason: in a few words.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return printable(f"{self.name}: {self.reason}")


class UnreadableImagesError(DataError):
    """All the images of a dataset that cannot be decoded whole; the message names the first.

    Attributes:
        reasons: of every one, by name.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons

    def __str__(self) -> str:
        lines = [f"{name}: {reason}" for name, reason in self.reasons.items()]
        more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
        count = f"{len(lines)} images" if len(lines) > 1 else "an image"
        named = "; ".join(lines[:NAMED] + more)
        return printable(f"{count} cannot be decoded; repair or replace: {named}")


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
