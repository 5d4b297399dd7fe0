"""From a backbone's last tokens to the features that a head reads."""

from __future__ import annotations

from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from sa2vp.models.suitability import Backbone


def pooled(backbone: Backbone, tokens: Tensor) -> Tensor:
    """Give the features ``(B, D)``: the class token of a ViT, the mean over the tokens of a Swin.

    Args:
        backbone: whose ``forward_features`` gave the tokens.
        tokens: ``(B, N, D)`` of a ViT, ``(B, height, width, D)`` or ``(B, N, D)`` of a Swin.
    """
    if isinstance(backbone, SwinTransformer):
        return tokens.flatten(1, -2).mean(1)
    return tokens[:, 0]
