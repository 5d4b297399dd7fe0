"""Prompt tokens before a ViT's blocks: visual prompt tuning (arXiv:2203.12119, section 3.2).

Shapes: B images, P prompt tokens, N tokens of the backbone (class token first), D channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Prompts(nn.Module):
    """Learned tokens, the same for every image but for the dropout drawn in training.

    Args:
        length: P.
        dim: D.
        bound: of the initial values, drawn uniformly from -bound to bound.
        dropout: rate in training.
    """

    def __init__(self, length: int, dim: int, bound: float, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(1, length, dim))
        self.dropout = nn.Dropout(dropout)
        nn.init.uniform_(self.tokens, -bound, bound)

    def forward(self, batch: int) -> Tensor:
        """Give them for a number of images B, ``(B, P, D)``."""
        drawn: Tensor = self.dropout(self.tokens.expand(batch, -1, -1))
        return drawn


def initial_bound(patch_size: tuple[int, int], dim: int) -> float:
    """Give Xavier's bound for a projection of patches of three colours to ``dim`` channels."""
    return float((6 / (3 * patch_size[0] * patch_size[1] + dim)) ** 0.5)


class PromptedBlock(nn.Module):
    """A frozen block whose input has prompts between the class token and the patches.

    Args:
        block: of timm's ViT.
        prompts: of this block.
        replaced: number of tokens after the class token that they replace: those of the block
            before, or none.
    """

    def __init__(self, block: nn.Module, prompts: Prompts, replaced: int) -> None:
        super().__init__()
        self.block, self.prompts, self.replaced = block, prompts, replaced

    def forward(self, tokens: Tensor) -> Tensor:
        """Take ``(B, 1 + replaced + patches, D)``; give ``(B, 1 + P + patches, D)``."""
        patches = tokens[:, 1 + self.replaced :]
        joined = torch.cat([tokens[:, :1], self.prompts(len(tokens)), patches], dim=1)
        given: Tensor = self.block(joined)
        return given


def prompt_vit(backbone: Any, length: int, *, deep: bool, dropout: float) -> None:
    """Put prompts before the first block, or before each.

    Args:
        backbone: a ViT of the model's own.
        length: P.
        deep: whether each block has prompts of its own.
        dropout: rate in training.
    """
    bound = initial_bound(backbone.patch_embed.patch_size, backbone.embed_dim)
    for index, block in enumerate(backbone.blocks if deep else backbone.blocks[:1]):
        prompts = Prompts(length, backbone.embed_dim, bound, dropout)
        backbone.blocks[index] = PromptedBlock(block, prompts, length if index else 0)
