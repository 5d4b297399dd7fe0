"""A frozen block of timm's VisionTransformer that hands out its heads and keeps few activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from timm.models.vision_transformer import Block
from torch import Tensor
from torch.nn import functional as F

from sa2vp.models.fast.attention import Heads, attend, split_heads
from sa2vp.models.fast.block import FrozenBlock
from sa2vp.models.fast.dropout import dropout
from sa2vp.models.fast.linear import computed_dtype, frozen_linear, frozen_parameters
from sa2vp.models.fast.mlp import frozen_mlp


@dataclass(frozen=True, slots=True)
class FrozenViTBlock(FrozenBlock):
    """One ViT block and the dropout drawn in it while training.

    Attributes:
        block: the timm block, frozen and in evaluation mode.
        dropout_rate: after the MLP's GELU and after its second Linear; 0 in evaluation.
        class_only: compute the output at the class token alone (the last block: nothing else of
            its output is read).
    """

    block: Block
    dropout_rate: float
    class_only: bool

    def queried(self, tokens_BND: Tensor) -> Tensor:
        """Keep the tokens whose output is read."""
        return tokens_BND[:, :1] if self.class_only else tokens_BND

    def project(self, tokens_BND: Tensor, streams: Sequence[int]) -> tuple[Heads, list[Heads]]:
        """Normalise and project tokens to heads, the queries only where their output is read."""
        attn = self.block.attn
        normed_BND = self.block.norm1(tokens_BND)
        if self.class_only:
            heads = self._project_class_only(normed_BND)
            split = (tensor.split(list(streams)) for tensor in (heads.q, heads.k, heads.v))
            return heads, [Heads(*part) for part in zip(*split, strict=True)]
        whole, parts = split_heads(frozen_linear(attn.qkv, normed_BND), attn.num_heads, streams)
        return self._normalised(whole), [self._normalised(part) for part in parts]

    def _project_class_only(self, normed_BND: Tensor) -> Heads:
        attn = self.block.attn
        weight, bias = frozen_parameters(attn.qkv, computed_dtype(normed_BND))
        weights = weight.tensor_split([attn.attn_dim])
        biases = (None, None) if bias is None else bias.tensor_split([attn.attn_dim])
        inputs = (self.queried(normed_BND), normed_BND)
        (q,), (k, v) = (
            F.linear(tokens, weight, bias)
            .unflatten(2, (-1, attn.num_heads, attn.head_dim))
            .permute(2, 0, 3, 1, 4)
            for tokens, weight, bias in zip(inputs, weights, biases, strict=True)
        )
        return self._normalised(Heads(q, k, v))

    def _normalised(self, heads: Heads) -> Heads:
        """Apply the norms that some backbones put on queries and keys."""
        return Heads(self.block.attn.q_norm(heads.q), self.block.attn.k_norm(heads.k), heads.v)

    def attend(self, heads: Heads) -> Tensor:
        """Attend to every token of the same stream."""
        mixed_BHNd = attend(heads.q, heads.k, heads.v)
        return mixed_BHNd.transpose(1, 2).flatten(2)

    def output(self, merged_BND: Tensor) -> Tensor:
        """Project back to tokens, with the backbone's layer scale where it has one."""
        attn = self.block.attn
        return self.block.ls1(frozen_linear(attn.proj, attn.norm(merged_BND)))  # type: ignore[no-any-return]

    def mlp(self, tokens_BND: Tensor) -> Tensor:
        """Run the MLP with the published code's dropout."""
        out = frozen_mlp(self.block.mlp, self.block.norm2(tokens_BND), self.dropout_rate)
        return self.block.ls2(dropout(out, self.dropout_rate, training=True))  # type: ignore[no-any-return]
