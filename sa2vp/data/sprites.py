"""Anti-aliased white sprites on black, rendered with numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Inside = Callable[[Floats, Floats], Bools]

IMAGE_SIZE = 32
SAMPLES_PER_SIDE = 4
"""A pixel's grey is the share of its 4x4 sample points inside the shape."""


def _ellipse(x: Floats, y: Floats) -> Bools:
    return x * x + y * y / 0.36 < 1


def _square(x: Floats, y: Floats) -> Bools:
    half_side = math.sqrt(0.5)
    return (abs(x) < half_side) & (abs(y) < half_side)


def _heart(x: Floats, y: Floats) -> Bools:
    x, y = 1.15 * x, 1.15 * y + 0.1
    bulge = x * x + y * y - 1
    return bulge * bulge * bulge < x * x * y * y * y  # powers written out: numpy's are slow


def _arrow(x: Floats, y: Floats) -> Bools:
    head = (y > 0) & (abs(x) < 0.8 * (1 - y))
    shaft = (y <= 0) & (y > -0.9) & (abs(x) < 0.25)
    return head | shaft


def _moon(x: Floats, y: Floats) -> Bools:
    return (x**2 + y**2 < 1) & ((x - 0.6) ** 2 + y**2 > 0.7**2)


SHAPES: dict[str, Inside] = {
    "ellipse": _ellipse,
    "square": _square,
    "heart": _heart,
    "arrow": _arrow,
    "moon": _moon,
}
"""Which points of its own frame (x right, y up, radius about 1) a shape holds."""


@cache
def centroid(shape: str) -> tuple[float, float]:
    """Locate a shape's centre of area in its own frame, ``(x, y)``."""
    line = (np.arange(400) + 0.5) / 400 * 3 - 1.5
    x, y = np.meshgrid(line, line)
    inside = SHAPES[shape](x, y)
    return float(x[inside].mean()), float(y[inside].mean())


def render(
    shape: str, centre_px: tuple[float, float], radius_px: float, turn_deg: float
) -> NDArray[np.uint8]:
    """Draw one sprite.

    Args:
        shape: a name in ``SHAPES``.
        centre_px: x from the left and y from the top edge, of the centre of area.
        radius_px: pixels per unit of the shape's own frame.
        turn_deg: counter-clockwise.

    Returns:
        uint8 ``(32, 32)``, 0 outside the sprite and 255 inside.

    Raises:
        ValueError: an unknown shape; the message lists the known ones.
    """
    if shape not in SHAPES:
        raise ValueError(f"unknown shape {shape!r}; known: {', '.join(SHAPES)}")
    samples = (np.arange(IMAGE_SIZE * SAMPLES_PER_SIDE) + 0.5) / SAMPLES_PER_SIDE
    right = (samples - centre_px[0])[None, :] / radius_px
    up = (centre_px[1] - samples)[:, None] / radius_px
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    x, y = centroid(shape)
    inside = SHAPES[shape](x + cos * right + sin * up, y + cos * up - sin * right)
    blocks = inside.reshape(IMAGE_SIZE, SAMPLES_PER_SIDE, IMAGE_SIZE, SAMPLES_PER_SIDE)
    share: Floats = blocks.mean(axis=(1, 3))
    return np.rint(255 * share).astype(np.uint8)
