"""Which tokens of the other stream a token may see, as one mask instead of a loop over patches."""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURHOOD = 9
"""A patch and the eight around it."""


def aligned_mask(grid: int, *, class_token: bool) -> Tensor:
    """Tell for each query token which key tokens of the other stream it attends to.

    The patch token at row r and column c sees the patches at rows r-1 to r+1 and columns c-1 to
    c+1 that exist: 4 in a corner, 6 on an edge, 9 inside. A class token, first, sees every token,
    and no patch sees it.

    Args:
        grid: patches along one side of the square map.
        class_token: whether a class token precedes the patches.

    Returns:
        bool ``(N, N)`` with N tokens; ``[q, k]`` is true where q attends to k.
    """
    rows = torch.arange(grid * grid) // grid
    columns = torch.arange(grid * grid) % grid
    near = ((rows[:, None] - rows).abs() <= 1) & ((columns[:, None] - columns).abs() <= 1)
    if not class_token:
        return near
    mask = torch.zeros(1 + grid * grid, 1 + grid * grid, dtype=torch.bool)
    mask[0] = True
    mask[1:, 1:] = near
    return mask
