"""From the last tokens to logits, in float32 whatever the backbone was computed in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def in_float32(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function to a tensor in float32, also where autocast asks for less."""
    with torch.autocast(x.device.type, enabled=False):
        return function(x.to(torch.promote_types(x.dtype, torch.float32)))


class Head(nn.Linear):
    """A Linear from features to logits that autocast leaves in float32.

    In bfloat16 a logit of 100 is 100 up to 100.25. Of classes that come so close, the one with the
    lowest label would win.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Classify ``(B, D)`` features of any float type; gives ``(B, C)`` logits in float32."""
        return in_float32(super().forward, features)
