"""What a map of 3x3 attentions says, in two numbers per patch: how focused, and where to.

Shapes: G patches along a side of the square map.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = torch.tensor([-1, 0, 1])


def existing_neighbours(grid: int) -> Tensor:
    """Tell which of the 3x3 neighbours lie on the map, bool ``(G, G, 3, 3)``."""
    places = torch.arange(grid)[:, None] + _STEPS
    inside = (places >= 0) & (places < grid)
    return inside[:, None, :, None] & inside[None, :, None, :]


def focus(weights: Tensor) -> Tensor:
    """Tell how far each patch's attention is from even.

    Args:
        weights: attention to the 3x3 neighbourhood, ``(G, G, 3, 3)``.

    Returns:
        ``(G, G)``, 1 minus the entropy over that of even attention to the neighbours that exist: 0
        where all of them weigh the same, 1 where one has all the weight.
    """
    shares = _shares(weights)
    entropy: Tensor = torch.special.entr(shares).sum((2, 3))
    most = existing_neighbours(len(weights)).sum((2, 3)).log()
    return (1 - entropy / most).clamp(0, 1)


def displacement(weights: Tensor) -> Tensor:
    """Tell where each patch's attention leans to.

    Args:
        weights: attention to the 3x3 neighbourhood, ``(G, G, 3, 3)``.

    Returns:
        ``(G, G, 2)``, right and down in patches: the mean place that is attended to, less that of
        even attention to the neighbours that exist, which at a border is not the patch itself.
    """
    even = _shares(existing_neighbours(len(weights)).float())
    lean = _shares(weights) - even
    right = (lean.sum(2) * _STEPS).sum(2)
    down = (lean.sum(3) * _STEPS).sum(2)
    return torch.stack([right, down], dim=2)


def _shares(weights: Tensor) -> Tensor:
    """Scale to a sum of 1: of the ``acc`` fusion's attention, a part lies outside the map."""
    return weights / weights.sum((2, 3), keepdim=True)
