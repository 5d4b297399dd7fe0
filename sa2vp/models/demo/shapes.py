"""The fixed classes of the pre-training drawings: random shapes as signed distance fields."""

from __future__ import annotations

import torch
from torch import Tensor

FIELD_SIZE = 48
"""Side of a field, in samples."""

FIELD_EXTENT = 1.6
"""A field spans ``[-1.6, 1.6]`` in the shape's own frame; the shape itself stays within about 1."""

STROKES = 2
KNOTS = 4
SAMPLES_PER_STROKE = 32
HARMONICS = 5


def own_frame_grid() -> Tensor:
    """Lay out the field's sample points, ``(FIELD_SIZE, FIELD_SIZE, 2)``, x before y."""
    line = torch.linspace(-FIELD_EXTENT, FIELD_EXTENT, FIELD_SIZE)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=-1)


def stroke_fields(count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` glyphs of curved strokes; distance to the nearest stroke's middle line.

    Each stroke is a cubic Bezier curve, sampled densely enough that its samples pass for a line.

    Returns:
        ``(count, FIELD_SIZE, FIELD_SIZE)``, in own-frame units, never negative.
    """
    knots = torch.rand(count, STROKES, KNOTS, 2, generator=generator) * 2.4 - 1.2
    t = torch.linspace(0, 1, SAMPLES_PER_STROKE)
    bernstein = torch.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    points = torch.einsum("kt,gskc->gstc", bernstein, knots).flatten(1, 2)  # (count, S*T, 2)
    points = points - points.mean(dim=1, keepdim=True)
    points = points / points.norm(dim=-1).amax(dim=1)[:, None, None]
    distance = torch.cdist(own_frame_grid().reshape(1, -1, 2), points).amin(dim=-1)
    return distance.view(count, FIELD_SIZE, FIELD_SIZE)


def blob_fields(count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` filled outlines, their radius a random Fourier series of the angle.

    Returns:
        ``(count, FIELD_SIZE, FIELD_SIZE)``: distance to the centre less the outline's radius in
        that direction, in own-frame units, negative inside.
    """
    grid = own_frame_grid()
    order = torch.arange(1, HARMONICS + 1)
    coefficients = (
        torch.randn(count, HARMONICS, 2, generator=generator) * 0.3 / order[:, None] ** 0.5
    )
    angle = torch.atan2(grid[..., 1], grid[..., 0])[..., None] * order
    waves = torch.stack([angle.cos(), angle.sin()], dim=-1)  # (F, F, HARMONICS, 2)
    radius = (0.6 + torch.einsum("xyhp,nhp->nxy", waves, coefficients)).clamp(0.12, 1.1)
    return torch.sub(grid.norm(dim=-1), radius)


def shape_fields(count: int, seed: int) -> Tensor:
    """Fix the classes: the first half stroke glyphs, the rest filled outlines.

    Returns:
        ``(count, FIELD_SIZE, FIELD_SIZE)``, float32.
    """
    generator = torch.Generator().manual_seed(seed)
    strokes = count // 2
    return torch.cat([stroke_fields(strokes, generator), blob_fields(count - strokes, generator)])
