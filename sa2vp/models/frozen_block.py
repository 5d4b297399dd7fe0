"""A frozen timm transformer block, run so that the fusion can share its queries, keys and values.

SA2VP's fusion attends across the two streams with the block's own norm and projections. Those are
already computed by the block's self-attention, so each block is run once on both streams and hands
its heads out instead of hiding them.

Shapes: B images (or several streams stacked along the batch), N tokens (class token first), D
channels, H heads of d channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.models.vision_transformer import Block
from torch import Tensor
from torch.nn import functional as F

from sa2vp.models.dropout import dropout


@dataclass(frozen=True, slots=True)
class Heads:
    """What a block's attention projects its tokens to: each ``(B, H, N, d)``.

    ``q`` may hold the class token alone, ``(B, H, 1, d)``, where only its output is read.
    """

    q: Tensor
    k: Tensor
    v: Tensor

    def split(self, sizes: list[int]) -> list[Heads]:
        """Separate streams that were stacked along the batch."""
        parts = (tensor.split(sizes) for tensor in (self.q, self.k, self.v))
        return [Heads(q, k, v) for q, k, v in zip(*parts, strict=True)]


@dataclass(frozen=True, slots=True)
class FrozenBlock:
    """One block of the backbone and the dropout drawn in it while training.

    Attributes:
        block: the timm block, frozen and in evaluation mode.
        dropout_rate: after the MLP's GELU and after its second Linear; 0 in evaluation.
        class_only: compute the output at the class token alone (the last block: nothing else of
            its output is read).
    """

    block: Block
    dropout_rate: float
    class_only: bool

    def __call__(self, tokens_BND: Tensor) -> tuple[Heads, Tensor]:
        """Run the block.

        Returns:
            Its heads and its output ``(B, N, D)``, or ``(B, 1, D)`` with ``class_only``.
        """
        heads = self.project(tokens_BND)
        tokens_BND = self.queried(tokens_BND)
        tokens_BND = tokens_BND + self.attend(heads, heads)
        return heads, tokens_BND + self.block.ls2(self._mlp(self.block.norm2(tokens_BND)))

    def queried(self, tokens_BND: Tensor) -> Tensor:
        """Keep the tokens whose output is read."""
        return tokens_BND[:, :1] if self.class_only else tokens_BND

    def project(self, tokens_BND: Tensor) -> Heads:
        """Normalise and project tokens to heads, the queries only where their output is read."""
        attn = self.block.attn
        normed_BND = self.block.norm1(tokens_BND)
        if not self.class_only:
            q, k, v = self._split_heads(attn.qkv(normed_BND), 3)
        else:
            weight_q, weight_kv = attn.qkv.weight.tensor_split([attn.attn_dim])
            bias_q, bias_kv = (
                (None, None)
                if attn.qkv.bias is None
                else attn.qkv.bias.tensor_split([attn.attn_dim])
            )
            (q,) = self._split_heads(F.linear(self.queried(normed_BND), weight_q, bias_q), 1)
            k, v = self._split_heads(F.linear(normed_BND, weight_kv, bias_kv), 2)
        return Heads(attn.q_norm(q), attn.k_norm(k), v)

    def attend(self, query: Heads, key_value: Heads, mask: Tensor | None = None) -> Tensor:
        """Attend with the queries of one stream to the keys and values of another (or the same).

        Args:
            query: its ``q`` asks.
            key_value: its ``k`` and ``v`` answer.
            mask: bool ``(N, N)``, true where a query (row) attends to a key; None is everywhere.

        Returns:
            ``(B, N, D)``, after the output projection and, where the backbone has one, its
            layer scale.
        """
        attn = self.block.attn
        if mask is not None:
            mask = mask[: query.q.shape[2]]
        q = query.q.expand(len(key_value.k), -1, -1, -1)  # the prompts may still have batch 1
        mixed_BHNd = F.scaled_dot_product_attention(
            q, key_value.k, key_value.v, attn_mask=mask, scale=attn.scale
        )
        merged_BND = mixed_BHNd.transpose(1, 2).flatten(2)
        return self.block.ls1(attn.proj(attn.norm(merged_BND)))  # type: ignore[no-any-return]

    def _split_heads(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        attn = self.block.attn
        split: Tensor = projected.unflatten(2, (parts, attn.num_heads, attn.head_dim))
        return split.permute(2, 0, 3, 1, 4).unbind(0)

    def _mlp(self, tokens_BND: Tensor) -> Tensor:
        mlp = self.block.mlp
        hidden = dropout(mlp.act(mlp.fc1(tokens_BND)), self.dropout_rate, training=True)
        return dropout(mlp.fc2(mlp.norm(hidden)), self.dropout_rate, training=True)


def stack_streams(*streams: Tensor) -> tuple[Tensor, list[int]]:
    """Stack streams along the batch, so that each frozen weight is read once for all of them.

    Returns:
        The stacked tokens and each stream's batch size, to split them again.
    """
    return torch.cat(streams), [len(stream) for stream in streams]
