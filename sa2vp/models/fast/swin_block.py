"""A frozen block of timm's SwinTransformer, its windows laid over tokens in raster order.

The fusion sees tokens in raster order, so one projection serves windows and fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor

from sa2vp.models.fast.attention import Heads, attend, split_heads
from sa2vp.models.fast.block import FrozenBlock
from sa2vp.models.fast.linear import computed_dtype, frozen_linear
from sa2vp.models.fast.mlp import frozen_mlp


@dataclass(frozen=True, slots=True)
class FrozenSwinBlock(FrozenBlock):
    """One Swin block and the stochastic depth drawn in it while training.

    Self-attention stays within windows and adds the relative position bias. The fusion has neither:
    it takes the heads as they are here, in raster order.

    Attributes:
        block: the timm block, frozen and in evaluation mode; its windows tile its tokens.
        drop_path_rate: probability that a residual branch is left out, per image; 0 in evaluation.
    """

    block: SwinTransformerBlock
    drop_path_rate: float

    def project(self, tokens_BND: Tensor, streams: Sequence[int]) -> tuple[Heads, list[Heads]]:
        """Normalise and project tokens to heads."""
        attn = self.block.attn
        projected = frozen_linear(attn.qkv, self.block.norm1(tokens_BND))
        return split_heads(projected, attn.num_heads, streams)

    def attend(self, heads: Heads) -> Tensor:
        """Attend within the block's (shifted) windows."""
        order, inverse = window_order(
            self.block.input_resolution,
            self.block.window_size,
            self.block.shift_size,
            heads.q.device,
        )
        q, k, v = (
            self._windowed(_Reorder.apply(part.transpose(1, 2).flatten(2), order, inverse))
            for part in (heads.q, heads.k, heads.v)
        )
        # On a CPU the scores are float32 as long as the bias is; a GPU's kernel takes one type.
        dtype = torch.float32 if q.device.type == "cpu" else computed_dtype(q)
        mixed = attend(q, k, v, self.bias(len(heads.q), dtype))
        merged_BND = mixed.transpose(1, 2).reshape(len(heads.q), len(order), -1)
        reordered: Tensor = _Reorder.apply(merged_BND, inverse, order)
        return reordered

    def output(self, merged_BND: Tensor) -> Tensor:
        """Project back to tokens."""
        return frozen_linear(self.block.attn.proj, merged_BND)

    def mlp(self, tokens_BND: Tensor) -> Tensor:
        """Run the MLP."""
        return frozen_mlp(self.block.mlp, self.block.norm2(tokens_BND), dropout_rate=0.0)

    def drop_branch(self, branch_BND: Tensor) -> Tensor:
        """Leave the branch out for some images and scale it for the others."""
        if self.drop_path_rate == 0:
            return branch_BND
        keep = 1 - self.drop_path_rate
        kept = branch_BND.new_empty(len(branch_BND), 1, 1).bernoulli_(keep)
        return branch_BND * (kept / keep)

    def _windowed(self, ordered_BND: Tensor) -> Tensor:
        """View tokens in window order as heads, ``(B * windows, H, tokens per window, d)``."""
        heads = ordered_BND.reshape(-1, self.block.window_area, self.block.attn.num_heads, self._d)
        return heads.transpose(1, 2)

    @property
    def _d(self) -> int:
        attn = self.block.attn
        return attn.qkv.out_features // 3 // attn.num_heads  # type: ignore[no-any-return]

    def bias(self, batch: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Give what is added to the scores: the relative position bias, and shifted windows' mask.

        Returns:
            ``(1 or B * windows, H, window tokens, window tokens)``.
        """
        bias = _window_bias(self.block, dtype)
        return bias if len(bias) == 1 else bias.repeat(batch, 1, 1, 1)


_State = tuple[torch.dtype, torch.device, int]
_biases: WeakKeyDictionary[SwinTransformerBlock, tuple[Tensor, _State, Tensor]] = (
    WeakKeyDictionary()
)


def _window_bias(block: SwinTransformerBlock, dtype: torch.dtype) -> Tensor:
    """Give a block's bias, ``(1 or windows, H, S, S)``; made once where its table is frozen."""
    table: Tensor = block.attn.relative_position_bias_table
    if table.requires_grad:
        return _make_window_bias(block, dtype)
    state = (dtype, table.device, table._version)
    known = _biases.get(block)
    if known is None or known[0] is not table or known[1] != state:
        with torch.inference_mode(False):  # also used by later training steps
            known = _biases[block] = (table, state, _make_window_bias(block, dtype))
    return known[2]


def _make_window_bias(block: SwinTransformerBlock, dtype: torch.dtype) -> Tensor:
    bias: Tensor = block.attn._get_rel_pos_bias()
    if block.attn_mask is not None:
        bias = bias + block.attn_mask[:, None]
    return bias.to(dtype)


@lru_cache(maxsize=64)
def window_order(
    grid: tuple[int, int],
    window: tuple[int, int],
    shift: tuple[int, int],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Give the raster index of each token in window order, and the inverse; once on a device."""
    raster = torch.arange(grid[0] * grid[1]).view(grid)
    shifted = raster.roll((-shift[0], -shift[1]), dims=(0, 1))
    rows = shifted.unfold(0, window[0], window[0]).unfold(1, window[1], window[1])
    order = rows.flatten()
    return order.to(device), order.argsort().to(device)


class _Reorder(torch.autograd.Function):
    """Reorder tokens; the gradient is reordered back, without PyTorch's scattered addition."""

    @staticmethod
    def forward(ctx: Any, tokens_BND: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.inverse = inverse
        return tokens_BND.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0].index_select(1, ctx.inverse), None, None
