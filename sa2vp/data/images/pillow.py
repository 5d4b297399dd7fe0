"""Which image files are decoded, and how their pixels become 8-bit RGB."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "PPM", "TIFF")
"""By content, not by name. Pillow knows more, some of which start other programs."""

SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".tif",
    ".tiff",
)  # fmt: skip
"""Of the files that count as images where a folder is looked through, in small letters."""

MAX_PIXELS = 89_478_485
"""Height times width. Pillow warns of more, which would fill the memory as RGB."""

# All of Pillow's formats. Left to itself, it registers some when it first needs them, and a thread
# that looks meanwhile may miss one.
Image.preinit()
Image.init()

# It takes two lines for what check_pixels refuses in one.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_image(file: BinaryIO) -> Image.Image:
    """Open an image; it is decoded only when its pixels are asked for.

    Raises:
        Exception: it is none of the formats, damaged, or too large.
    """
    image = Image.open(file, formats=FORMATS)
    check_pixels(image.height, image.width, "it has")
    if isinstance(image, TiffImageFile):  # each tile is decoded whole, however small the image
        height, width = (int(image.tag_v2.get(tag, 0)) for tag in (TILELENGTH, TILEWIDTH))
        check_pixels(height, width, "its tiles have")
    return image


def check_pixels(height: int, width: int, what: str) -> None:
    """Refuse an image that would fill the memory.

    Raises:
        ValueError: it has more than :data:`MAX_PIXELS`.
    """
    if height * width > MAX_PIXELS:
        raise ValueError(f"too large: {what} {height} x {width} pixels, {MAX_PIXELS:,} are allowed")


def as_rgb(image: Image.Image) -> Image.Image:
    """Decode an image's first frame to RGB of 8 bits.

    Of 16-bit grey the upper 8 bits are taken, as Pillow does with 16-bit colour. Transparency is
    left out.

    Raises:
        Exception: it cannot be decoded whole, or its pixels have no certain range.
    """
    image.load()
    if image.mode == "RGB":
        return image  # which convert would copy
    if image.mode.startswith("I"):
        _check_sixteen_bits(image)
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are floats of no certain range; save it with 8 or 16 bits")
    image.info.pop("transparency", None)  # of a palette; Pillow would advise to keep it
    return image.convert("RGB")


def _check_sixteen_bits(image: Image.Image) -> None:
    """Refuse integers that Pillow does not scale to 0 to 65,535.

    Raises:
        ValueError: they are of 12 or 32 bits, have a sign, or white is 0.
    """
    if image.format in ("PNG", "PPM"):
        return  # also in mode I, that of 32 bits
    if (
        not isinstance(image, TiffImageFile)
        or image.mode == "I"
        or image.tag_v2.get(BITSPERSAMPLE) != (16,)
        or image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
    ):
        raise ValueError(
            "grey of more than 8 bits that is not plain 16-bit; save it with 8 or 16 bits"
        )
