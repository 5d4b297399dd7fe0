"""The fusion's attention across the two streams, with heads that the frozen block has projected.

Shapes: B images, H heads of d channels, N key tokens, Q <= N query tokens (the first ones), D = H*d
channels, G patches along a side of the square map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models.alignment import NEIGHBOURHOOD, aligned_mask


@dataclass(frozen=True, slots=True)
class Heads:
    """What a block's attention projects its tokens to.

    Attributes:
        q: ``(B, H, Q, d)``; the class token alone where nothing else of the output is read.
        k: ``(B, H, N, d)``.
        v: ``(B, H, N, d)``.
    """

    q: Tensor
    k: Tensor
    v: Tensor

    def split(self, sizes: list[int]) -> list[Heads]:
        """Separate streams that were stacked along the batch."""
        parts = (tensor.split(sizes) for tensor in (self.q, self.k, self.v))
        return [Heads(q, k, v) for q, k, v in zip(*parts, strict=True)]


class AlignedAttention(nn.Module):
    """The paper's: every head attends to the 3x3 neighbours that exist, the class token to all.

    Args:
        grid: G.
        class_token: whether a class token precedes the patches.
    """

    mask: Tensor

    def __init__(self, grid: int, *, class_token: bool) -> None:
        super().__init__()
        self.grid = grid
        self.prefix = int(class_token)
        self.register_buffer("mask", aligned_mask(grid, class_token=class_token), persistent=False)

    def forward(self, query: Heads, key_value: Heads) -> Tensor:
        """Attend with one stream's queries to the other's keys and values.

        Args:
            query: its ``q`` asks; batch 1 stands for every image.
            key_value: its ``k`` and ``v`` answer.

        Returns:
            ``(B, Q, D)``, before the output projection.
        """
        q, k, v = self._prepared(query, key_value)
        mixed_BHQd = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask[: q.shape[2]])
        return mixed_BHQd.transpose(1, 2).flatten(2)

    def neighbour_weights(self, query: Heads, key_value: Heads) -> Tensor:
        """Give each patch's attention to its 3x3 neighbourhood, as a mean over heads.

        Returns:
            ``(B, G, G, 3, 3)``; 0 where no neighbour exists.
        """
        q, k, _ = self._prepared(query, key_value)
        scores = q.float() @ k.float().transpose(2, 3) * q.shape[3] ** -0.5
        weights = scores.masked_fill(~self.mask, float("-inf")).softmax(-1).mean(1)
        patches: Tensor = weights[:, self.prefix :, self.prefix : self.prefix + self.grid**2]
        padded = F.pad(patches.unflatten(2, (self.grid, self.grid)), (1, 1, 1, 1))
        windows = padded.unfold(2, 3, 1).unfold(3, 3, 1)  # (B, query, G, G, 3, 3)
        own = torch.arange(self.grid**2, device=weights.device)
        around: Tensor = windows[:, own, own // self.grid, own % self.grid]
        return around.unflatten(1, (self.grid, self.grid))

    def _prepared(self, query: Heads, key_value: Heads) -> tuple[Tensor, Tensor, Tensor]:
        """Give queries, keys and values as they enter the attention, of one batch size."""
        q = query.q.expand(len(key_value.k), -1, -1, -1)  # the prompts may still have batch 1
        return q, key_value.k, key_value.v


class PaddedAttention(AlignedAttention):
    """The published ``_acc`` variant: one head, and nine keys for every patch.

    Neighbours that lie outside the map take part in the softmax as zero keys with zero values. They
    stand here as tokens after the others, as many as a corner lacks.
    """

    def __init__(self, grid: int, *, class_token: bool) -> None:
        super().__init__(grid, class_token=class_token)
        missing = NEIGHBOURHOOD - self.mask.sum(1, keepdim=True)
        missing[: self.prefix] = 0
        self.padding = int(missing.max())
        outside = torch.arange(self.padding) < missing
        self.register_buffer("mask", torch.cat([self.mask, outside], dim=1), persistent=False)

    def _prepared(self, query: Heads, key_value: Heads) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super()._prepared(query, key_value)
        pad = (0, 0, 0, self.padding)
        return _one_head(q), F.pad(_one_head(k), pad), F.pad(_one_head(v), pad)


def _one_head(heads_BHNd: Tensor) -> Tensor:
    """Put the channels of all heads side by side, ``(B, 1, N, D)``."""
    return heads_BHNd.transpose(1, 2).flatten(2).unsqueeze(1)


FUSIONS = {"exact": AlignedAttention, "acc": PaddedAttention}
"""``exact`` is the paper's; ``acc`` the variant that the authors call accelerated."""
