"""SA2VP on a Vision Transformer.

Shapes: B images, N = 1 + grid * grid tokens (class token first), D channels, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models.fast.attention import FUSIONS
from sa2vp.models.fast.dropout import Dropout
from sa2vp.models.fast.vit_block import FrozenViTBlock
from sa2vp.models.initialisation import TRUNCATED_STD, init_xavier
from sa2vp.models.streams import Geometry, TwoStreams


class SA2VPViT(TwoStreams):
    """A ViT adapted by a map of prompt tokens, each aligned with an image token.

    Every block has a fusion. The second and third block in which the prompts adapt to the image (4
    and 8 of 12) add a deep prompt to the prompt stream.

    Args:
        backbone: a timm VisionTransformer that
            :func:`~sa2vp.models.suitability.check_suitable` accepts.
        num_classes: C.
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: the weight of the fusion's output in the stream it adapts.
        fusion: a name in :data:`~sa2vp.models.fast.attention.FUSIONS`.
        dropout: the published code's rate while training: after both embeddings, twice in
            each frozen MLP and three times in each fusion.
    """

    def __init__(
        self,
        backbone: VisionTransformer,
        *,
        num_classes: int,
        inter_dim: int,
        inter_weight: float,
        fusion: str = "exact",
        dropout: float = 0.1,
    ) -> None:
        dim = backbone.embed_dim
        super().__init__(
            backbone,
            geometry=Geometry(
                prompt_tokens=1 + backbone.patch_embed.num_patches,
                prompt_dim=dim,
                fused_blocks=len(backbone.blocks),
                fused_dim=dim,
                feature_dim=dim,
            ),
            attention=FUSIONS[fusion](backbone.patch_embed.grid_size[0], class_token=True),
            num_classes=num_classes,
            inter_dim=inter_dim,
            inter_weight=inter_weight,
            dropout=dropout,
            init_linear=init_xavier,
        )
        self.dropout = Dropout(dropout)
        self.deep_prompt = nn.Parameter(torch.empty(2, *self.prompt.shape))
        deep_proj = [nn.Linear(inter_dim, dim) for _ in range(2)]
        self.deep_proj = nn.ModuleList(deep_proj)
        self.deep_scale = nn.Parameter(torch.empty(2, dim))
        nn.init.trunc_normal_(self.deep_prompt, std=TRUNCATED_STD)
        for linear in deep_proj:
            init_xavier(linear)
        nn.init.normal_(self.deep_scale, std=0.02)

    def forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give the class tokens of the image and the prompt stream, ``(B, D)`` each."""
        x, p = self._embed_images(images), self._embed_prompt(len(images))
        for index, block in enumerate(self._frozen_blocks()):
            deep = self._deep_index(index)
            if deep is None:
                x, p, _ = self._layer(index, block, x, p)
            else:
                x, p, (out,) = self._layer(index, block, x, p, self._embed_deep(deep, len(x)))
                p = p + self.deep_scale[deep] * out
        class_tokens = torch.cat([x[:, 0], p[:, 0]])
        image_features, prompt_features = self._final_norm(class_tokens).chunk(2)
        return image_features, prompt_features

    def _frozen_blocks(self) -> Iterator[FrozenViTBlock]:
        last = len(self.backbone.blocks) - 1
        rate = self.dropout.rate if self.training else 0.0
        for index, block in enumerate(self.backbone.blocks):
            yield FrozenViTBlock(block, dropout_rate=rate, class_only=index == last)

    def _embed_images(self, images: Tensor) -> Tensor:
        tokens = self.backbone._pos_embed(self.backbone.patch_embed(images))
        return self.backbone.norm_pre(self.dropout(tokens))  # type: ignore[no-any-return]

    def _embed_prompt(self, batch: int) -> Tensor:
        """Embed the prompt map: batch 1, unless dropout makes it differ from image to image."""
        position = self.backbone.pos_embed
        if self.backbone.no_embed_class:
            position = F.pad(position, (0, 0, 1, 0))
        tokens = self.prompt_proj(self.prompt) + position
        return self.backbone.norm_pre(self.dropout(self._per_image(tokens, batch)))  # type: ignore[no-any-return]

    def _deep_index(self, block: int) -> int | None:
        """Tell which deep prompt a block adds, if any."""
        _, *with_deep = self.image_to_prompt
        return with_deep.index(block) if block in with_deep else None

    def _embed_deep(self, deep: int, batch: int) -> Tensor:
        return self._per_image(self.deep_proj[deep](self.deep_prompt[deep]), batch)

    def _per_image(self, tokens: Tensor, batch: int) -> Tensor:
        """Repeat tokens that no image has touched yet, where dropout will tell images apart."""
        return tokens.expand(batch, -1, -1) if self.training and self.dropout.rate > 0 else tokens
