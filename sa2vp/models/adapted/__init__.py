"""What the methods besides SA2VP build: timm's own backbone, with learned parts put into it."""

from __future__ import annotations

from typing import Any

from timm.models.swin_transformer import SwinTransformer

from sa2vp.models.adapted.adapters import (
    AdaptedBranch,
    AdaptedOutput,
    Bottleneck,
    GroupedBottleneck,
    LowRank,
    Scaled,
    quick_gelu,
)
from sa2vp.models.adapted.model import Adapted
from sa2vp.models.adapted.prompts import prompt_vit
from sa2vp.models.adapted.structure import (
    blocks_of,
    own_backbone,
    set_drop_path,
    set_vit_dropout,
)
from sa2vp.models.adapted.swin_prompts import prompt_swin

__all__ = [
    "Adapted",
    "AdaptedBranch",
    "AdaptedOutput",
    "Bottleneck",
    "GroupedBottleneck",
    "LowRank",
    "Scaled",
    "add_prompts",
    "blocks_of",
    "own_backbone",
    "quick_gelu",
    "set_drop_path",
    "set_vit_dropout",
]


def add_prompts(backbone: Any, length: int, *, deep: bool, dropout: float) -> None:
    """Put prompts before the first block of a ViT or Swin, or before each.

    Args:
        backbone: of the model's own.
        length: prompt tokens of a block.
        deep: whether each block has prompts of its own.
        dropout: rate in training.
    """
    add = prompt_swin if isinstance(backbone, SwinTransformer) else prompt_vit
    add(backbone, length, deep=deep, dropout=dropout)
