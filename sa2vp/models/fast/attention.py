"""The fusion's attention across the two streams, with heads that the frozen block has projected.

This saves the fusion's three projections of both streams: the block's self-attention made them.

Shapes: B images, H heads of d channels, N key tokens, Q <= N query tokens (the first ones), D = H*d
channels, G patches along a side of the square map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models.fast.alignment import NEIGHBOURHOOD, aligned_mask
from sa2vp.models.fast.linear import computed_dtype


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


def split_heads(
    projected: Tensor, num_heads: int, streams: Sequence[int]
) -> tuple[Heads, list[Heads]]:
    """View projected tokens as heads: of all streams, for the self-attention, and of each one.

    Args:
        projected: ``(B, N, 3 * D)``, queries, keys and values side by side.
        num_heads: H.
        streams: batch sizes of the streams that are stacked in B.

    Returns:
        The heads of the whole batch, and those of each stream.
    """
    views = _SplitHeads.apply(projected, num_heads, streams)
    whole, *parts = (Heads(*views[i : i + 3]) for i in range(0, len(views), 3))
    return whole, parts


class _SplitHeads(torch.autograd.Function):
    """The views, with a backward pass that gathers the gradient of all of them in one array.

    PyTorch's own would fill, concatenate, stack and add arrays of that size for every block.
    """

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, num_heads: int, streams: Sequence[int]
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.streams = streams
        split = projected.unflatten(2, (3, num_heads, -1))
        ctx.shape = split.shape
        views = split.permute(2, 0, 3, 1, 4)
        return tuple(t for part in (views, *views.split(streams, 1)) for t in part.unbind(0))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None]:
        given = next(gradient for gradient in gradients if gradient is not None)
        total = given.new_empty(ctx.shape)
        for index, gradient in enumerate(gradients[:3]):
            part = total[:, :, index]
            part.zero_() if gradient is None else part.copy_(gradient.transpose(1, 2))
        for stream, rows in enumerate(total.split(ctx.streams)):
            for index, gradient in enumerate(gradients[3 * stream + 3 : 3 * stream + 6]):
                if gradient is not None:
                    rows[:, :, index].add_(gradient.transpose(1, 2))
        return total.flatten(2), None, None


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attend with every head.

    Args:
        q: ``(B, H, Q, d)``.
        k: ``(B, H, N, d)``.
        v: ``(B, H, N, d)``.
        mask: true where a query (row) attends to a key, or numbers that are added to the scores;
            broadcast to ``(B, H, Q, N)``.

    Returns:
        ``(B, H, Q, d)``.
    """
    if q.device.type != "cpu" or computed_dtype(q) == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # PyTorch's fused CPU kernel takes three times as long in bfloat16 as three plain steps do.
    scores = (q @ k.transpose(2, 3)).mul_(q.shape[3] ** -0.5)
    if mask is not None:
        scores.add_(mask if mask.is_floating_point() else _as_bias(mask, scores))
    mixed: Tensor = scores.softmax(-1) @ v
    return mixed


def _as_bias(mask: Tensor, scores: Tensor) -> Tensor:
    return scores.new_zeros(mask.shape).masked_fill_(~mask, float("-inf"))


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
        self._bias: Tensor | None = None
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
        mixed_BHQd = attend(q, k, v, self._mask_for(q))
        return mixed_BHQd.transpose(1, 2).flatten(2)

    def _mask_for(self, q: Tensor) -> Tensor:
        """Give the mask of these queries as the device's kernel takes it."""
        mask = self.mask if q.device.type == "cpu" else self.as_numbers(computed_dtype(q))
        return mask[: q.shape[2]]

    def as_numbers(self, dtype: torch.dtype) -> Tensor:
        """Give the mask as numbers that are added to the scores, 0 or minus infinity.

        PyTorch would make them at every call on a GPU, and copy them where rows do not begin at a
        multiple of 8 numbers. So they are made once, in rows that do.
        """
        mask = self.mask
        if self._bias is None or (self._bias.dtype, self._bias.device) != (dtype, mask.device):
            rows, columns = mask.shape
            with torch.inference_mode(False):  # also used by later training steps
                padded = torch.zeros(rows, -(-columns // 8) * 8, dtype=dtype, device=mask.device)
                self._bias = padded[:, :columns].masked_fill_(~mask, float("-inf"))
        return self._bias

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
        windows: Tensor = padded.unfold(2, 3, 1).unfold(3, 3, 1)  # (B, query, G, G, 3, 3)
        own = torch.arange(self.grid**2, device=weights.device)
        around = windows[:, own, own // self.grid, own % self.grid]
        return around.view(-1, self.grid, self.grid, 3, 3)

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
