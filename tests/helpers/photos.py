"""Photographs for tests: smooth noise in files of several formats and sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZES = {
    "portrait": (60, 40),
    "landscape": (50, 75),
    "square": (64, 64),
    "smaller": (20, 30),
    "thin": (90, 7),
    "odd": (61, 38),
}
"""Height and width in pixels."""

MODES = {
    "rgb.jpg": "RGB",
    "grey.jpg": "L",
    "cmyk.jpg": "CMYK",
    "palette.png": "P",
    "palette.gif": "P",
    "rgba.png": "RGBA",
    "grey-alpha.png": "LA",
    "bilevel.png": "1",
    "rgb.webp": "RGB",
    "rgb.tif": "RGB",
    "rgb.bmp": "RGB",
    "rgb.ppm": "RGB",
}


def photo(height: int, width: int, seed: int = 0) -> Image.Image:
    """Draw RGBA; about one step of noise in 8 pixels."""
    coarse = (height // 8 + 2, width // 8 + 2, 4)
    noise = np.random.default_rng(seed).integers(0, 256, coarse, dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def save_photos(folder: Path, count: int = 0) -> list[str]:
    """Write photographs; give their names.

    Args:
        folder: made if need be.
        count: of JPEG files of changing size; 0 writes each size in each mode instead.
    """
    folder.mkdir(exist_ok=True)
    if count:
        shots = {f"{i:03}.jpg": ((40 + i % 7, 60 - i % 5), "RGB") for i in range(count)}
    else:
        shots = {f"{s}-{m}": (SIZES[s], mode) for s in SIZES for m, mode in MODES.items()}
    for seed, (name, (size, mode)) in enumerate(shots.items()):
        photo(*size, seed=seed).convert(mode).save(folder / name)
    return list(shots)


def truncate(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def position_photo(height: int, width: int) -> Image.Image:
    """Draw red as the row's number and green as the column's."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(height)[:, None]
    pixels[..., 1] = np.arange(width)
    return Image.fromarray(pixels)
