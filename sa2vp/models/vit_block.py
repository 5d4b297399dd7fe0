"""A frozen block of timm's VisionTransformer."""

from __future__ import annotations

from dataclasses import dataclass

from timm.models.vision_transformer import Block
from torch import Tensor
from torch.nn import functional as F

from sa2vp.models.attention import Heads
from sa2vp.models.dropout import dropout
from sa2vp.models.frozen_block import FrozenBlock


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

    def attend(self, heads: Heads) -> Tensor:
        """Attend to every token of the same stream."""
        mixed_BHNd = F.scaled_dot_product_attention(heads.q, heads.k, heads.v)
        return mixed_BHNd.transpose(1, 2).flatten(2)

    def output(self, merged_BND: Tensor) -> Tensor:
        """Project back to tokens, with the backbone's layer scale where it has one."""
        attn = self.block.attn
        return self.block.ls1(attn.proj(attn.norm(merged_BND)))  # type: ignore[no-any-return]

    def mlp(self, tokens_BND: Tensor) -> Tensor:
        """Run the MLP with the published code's dropout."""
        mlp = self.block.mlp
        hidden = mlp.act(mlp.fc1(self.block.norm2(tokens_BND)))
        out = mlp.fc2(mlp.norm(dropout(hidden, self.dropout_rate, training=True)))
        return self.block.ls2(dropout(out, self.dropout_rate, training=True))  # type: ignore[no-any-return]

    def _split_heads(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        attn = self.block.attn
        split: Tensor = projected.unflatten(2, (parts, attn.num_heads, attn.head_dim))
        return split.permute(2, 0, 3, 1, 4).unbind(0)
