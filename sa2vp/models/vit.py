"""SA2VP on a Vision Transformer: two streams through one frozen backbone (arXiv:2312.10376).

Shapes: B images, N = 1 + grid * grid tokens (class token first), D channels, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from sa2vp.models.alignment import aligned_mask
from sa2vp.models.dropout import Dropout
from sa2vp.models.frozen_block import FrozenBlock, Heads, stack_streams
from sa2vp.models.fusion import Fusion, init_projection
from sa2vp.models.learned import LearnedArrays


class SA2VPViT(LearnedArrays):
    """A ViT adapted by a map of prompt tokens, each aligned with an image token.

    The image stream and the prompt stream pass the same frozen blocks. In the first block of each
    third of the depth (0, 4 and 8 of 12) the prompts adapt to the image, in every other block the
    image tokens adapt to the prompts; the second and third of those blocks add a deep prompt.

    Args:
        backbone: an unmodified timm VisionTransformer with a class token, a square patch grid and
            at least three blocks (checked by :func:`~sa2vp.models.backbones.load_backbone`). It
            is frozen here, and may be shared by several models.
        num_classes: C.
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: the weight of the fusion's output in the stream it adapts.
        dropout: the published code's rate while training: after both embeddings, in the frozen
            MLPs, after the fusion's attention and in its bottleneck.
    """

    mask: Tensor

    def __init__(
        self,
        backbone: VisionTransformer,
        *,
        num_classes: int,
        inter_dim: int,
        inter_weight: float,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.inter_weight = inter_weight
        self.dropout = Dropout(dropout)
        dim, depth = backbone.embed_dim, len(backbone.blocks)
        tokens = 1 + backbone.patch_embed.num_patches
        self.image_to_prompt = [third * depth // 3 for third in range(3)]

        self.prompt = nn.Parameter(torch.empty(1, tokens, inter_dim))
        self.prompt_proj = nn.Linear(inter_dim, dim)
        self.deep_prompt = nn.Parameter(torch.empty(2, 1, tokens, inter_dim))
        self.deep_proj = nn.ModuleList(nn.Linear(inter_dim, dim) for _ in range(2))
        self.deep_scale = nn.Parameter(torch.empty(2, dim))
        self.fusion = nn.ModuleList(Fusion(dim, inter_dim, dropout) for _ in range(depth))
        self.head = nn.Linear(dim, num_classes)
        self.register_buffer(
            "mask", aligned_mask(backbone.patch_embed.grid_size[0]), persistent=False
        )
        self._init_learned()

    def _init_learned(self) -> None:
        for prompt in (self.prompt, self.deep_prompt):
            nn.init.trunc_normal_(prompt, std=0.02)
        for linear in (self.prompt_proj, *self.deep_proj):
            init_projection(linear)
        nn.init.normal_(self.deep_scale, std=0.02)
        nn.init.trunc_normal_(self.head.weight, std=0.02)

    def train(self, mode: bool = True) -> SA2VPViT:
        """Switch the learned parts; the backbone stays in evaluation mode, its dropout is ours."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Classify normalised images ``(B, 3, height, width)``.

        Returns:
            ``image_logits`` and ``prompt_logits``, ``(B, C)`` each. Predictions use the first.
        """
        image_features, prompt_features = self.forward_features(images)
        return self.head(image_features), self.head(prompt_features)

    def forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give the class tokens of the image and the prompt stream, ``(B, D)`` each."""
        x, p = self._embed_images(images), self._embed_prompt(len(images))
        for index, frozen in enumerate(self._frozen_blocks()):
            x, p = self._layer(index, frozen, x, p)
        streams, _ = stack_streams(x, p)
        image_features, prompt_features = self.backbone.norm(streams[:, 0]).chunk(2)
        return image_features, prompt_features

    def _frozen_blocks(self) -> Iterator[FrozenBlock]:
        last = len(self.backbone.blocks) - 1
        rate = self.dropout.rate if self.training else 0.0
        for index, block in enumerate(self.backbone.blocks):
            yield FrozenBlock(block, dropout_rate=rate, class_only=index == last)

    def _embed_images(self, images: Tensor) -> Tensor:
        tokens = self.backbone._pos_embed(self.backbone.patch_embed(images))
        return self.backbone.norm_pre(self.dropout(tokens))  # type: ignore[no-any-return]

    def _embed_prompt(self, batch: int) -> Tensor:
        """Embed the prompt map: batch 1, unless dropout makes it differ from image to image."""
        position = self.backbone.pos_embed
        if self.backbone.no_embed_class:
            position = nn.functional.pad(position, (0, 0, 1, 0))
        tokens = self.prompt_proj(self.prompt) + position
        return self.backbone.norm_pre(self.dropout(self._per_image(tokens, batch)))  # type: ignore[no-any-return]

    def _per_image(self, tokens: Tensor, batch: int) -> Tensor:
        """Repeat tokens that no image has touched yet, where dropout will tell images apart."""
        return tokens.expand(batch, -1, -1) if self.training and self.dropout.rate > 0 else tokens

    def _layer(
        self, index: int, frozen: FrozenBlock, x: Tensor, p: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Run one block on both streams and let one of them adapt to the other."""
        if index == 0:
            # Nothing learned precedes the image stream here: on its own it needs no gradient.
            (x_heads, x_out), (p_heads, p_out) = frozen(x), frozen(p)
        else:
            (x_heads, p_heads, *_), (x_out, p_out, *deep) = self._stacked(index, frozen, x, p)
            for scaled in deep:
                p_out = p_out + scaled
        if index in self.image_to_prompt:
            return x_out, p_out + self._fuse(index, frozen, p, p_heads, x_heads)
        return x_out + self._fuse(index, frozen, x, x_heads, p_heads), p_out

    def _stacked(
        self, index: int, frozen: FrozenBlock, x: Tensor, p: Tensor
    ) -> tuple[list[Heads], list[Tensor]]:
        """Run a block once on the streams and, where there is one, the deep prompt."""
        deep = self.image_to_prompt.index(index) - 1 if index in self.image_to_prompt else None
        deep_tokens = [] if deep is None else [self._embed_deep_prompt(deep, len(x))]
        stacked, sizes = stack_streams(x, p, *deep_tokens)
        heads, out = frozen(stacked)
        x_out, p_out, *deep_out = out.split(sizes)
        return heads.split(sizes), [x_out, p_out, *(self.deep_scale[deep] * d for d in deep_out)]

    def _embed_deep_prompt(self, deep: int, batch: int) -> Tensor:
        return self._per_image(self.deep_proj[deep](self.deep_prompt[deep]), batch)

    def _fuse(
        self, index: int, frozen: FrozenBlock, tokens: Tensor, query: Heads, key_value: Heads
    ) -> Tensor:
        """Adapt ``tokens`` to the other stream; the result is to be added to their block output."""
        attention = frozen.attend(query, key_value, self.mask)
        adapted: Tensor = self.fusion[index](attention, frozen.queried(tokens))
        return self.inter_weight * adapted
