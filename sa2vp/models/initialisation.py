"""The learned Linears' initial values, in which the published ViT and Swin differ."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

InitLinear = Callable[[nn.Linear], None]

TRUNCATED_STD = 0.02
"""Of the prompts and the heads, and of all that is learned in a Linear on a Swin."""


def init_xavier(linear: nn.Linear) -> None:
    """Initialise as the published ViT does: Xavier-uniform weight, bias normal with std 1e-6."""
    nn.init.xavier_uniform_(linear.weight)
    nn.init.normal_(linear.bias, std=1e-6)


def init_truncated(linear: nn.Linear) -> None:
    """Initialise as the published Swin does: truncated normal weight, bias 0."""
    nn.init.trunc_normal_(linear.weight, std=TRUNCATED_STD)
    nn.init.zeros_(linear.bias)
