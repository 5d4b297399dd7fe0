"""What SA2VP does on every backbone: two streams, one frozen backbone (arXiv:2312.10376).

Shapes: B images, N tokens (a class token first, where there is one), D channels, C classes, G
patches along a side of the square map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sa2vp.models.fast.attention import AlignedAttention, Heads
from sa2vp.models.fast.block import FrozenBlock, run_stacked
from sa2vp.models.fusion import Fusion
from sa2vp.models.head import Head, in_float32
from sa2vp.models.initialisation import TRUNCATED_STD, InitLinear
from sa2vp.models.learned import LearnedArrays


@dataclass(frozen=True, slots=True)
class FusionAttention:
    """Where one fusion looks.

    Attributes:
        block: index of its block, counted as the fusions are.
        image_to_prompt: whether the prompts adapt to the image, so that the prompts ask and the
            image tokens answer; else the other way round.
        weights: ``(B, G, G, 3, 3)``, each patch's attention to the 3x3 neighbourhood of its own
            position in the other stream, a mean over heads; 0 where no neighbour exists.
    """

    block: int
    image_to_prompt: bool
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the prompts enter a backbone and where the streams are fused.

    Attributes:
        prompt_tokens: of the input map.
        prompt_dim: channels of the tokens that the input map is projected to.
        fused_blocks: blocks with a fusion.
        fused_dim: channels of their tokens.
        feature_dim: channels of the features that the head reads.
    """

    prompt_tokens: int
    prompt_dim: int
    fused_blocks: int
    fused_dim: int
    feature_dim: int


class TwoStreams(LearnedArrays, ABC):
    """The image stream and the prompt stream through the same frozen blocks.

    In the first block of each third of the fused blocks the prompts adapt to the image, in every
    other one the image tokens adapt to the prompts.

    Args:
        backbone: frozen here; may be shared by several models.
        geometry: of the backbone.
        attention: of the fusion.
        num_classes: C.
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: the weight of the fusion's output in the stream it adapts.
        dropout: rate in the fusion while training.
        init_linear: gives the learned Linears but the head their initial values.
    """

    backbone: Any  # every attribute of a module is "Tensor | Module" to mypy

    def __init__(
        self,
        backbone: nn.Module,
        *,
        geometry: Geometry,
        attention: AlignedAttention,
        num_classes: int,
        inter_dim: int,
        inter_weight: float,
        dropout: float,
        init_linear: InitLinear,
    ) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.inter_weight = inter_weight
        self.attention = attention
        self.image_to_prompt = [third * geometry.fused_blocks // 3 for third in range(3)]
        self.prompt = nn.Parameter(torch.empty(1, geometry.prompt_tokens, inter_dim))
        self.prompt_proj = nn.Linear(inter_dim, geometry.prompt_dim)
        self.fusion = nn.ModuleList(
            Fusion(geometry.fused_dim, inter_dim, dropout, init_linear)
            for _ in range(geometry.fused_blocks)
        )
        self.head = Head(geometry.feature_dim, num_classes)
        nn.init.trunc_normal_(self.prompt, std=TRUNCATED_STD)
        init_linear(self.prompt_proj)
        nn.init.trunc_normal_(self.head.weight, std=TRUNCATED_STD)

    def train(self, mode: bool = True) -> TwoStreams:
        """Switch the learned parts; the backbone stays in evaluation mode, its dropout is ours."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Classify normalised images ``(B, 3, height, width)``.

        Returns:
            ``image_logits`` and ``prompt_logits``, ``(B, C)`` each, in float32 under autocast too.
            Predictions use the first.
        """
        image_features, prompt_features = self.forward_features(images)
        return self.head(image_features), self.head(prompt_features)

    @abstractmethod
    def forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give the float32 features of the image and of the prompt stream, ``(B, D)`` each."""

    @torch.no_grad()
    def prompt_norms(self) -> Tensor:
        """Give the L2 norm of each projected prompt token of the input map, ``(G, G)``."""
        norms: Tensor = self.prompt_proj(self.prompt)[0].norm(dim=1)
        grid = int(len(norms) ** 0.5)  # a class token, first, adds less than a row
        return norms[-(grid**2) :].view(grid, grid)

    @torch.no_grad()
    def fusion_attention(self, images: Tensor) -> list[FusionAttention]:
        """Tell where each fusion looks, in evaluation mode.

        A fusion that is computed at the class token alone (the last one of a ViT) is left out.

        Args:
            images: normalised, ``(B, 3, height, width)``.
        """
        training = self.training
        with _recorded(self.attention) as calls:
            self.eval().forward_features(images)
        self.train(training)
        return [
            FusionAttention(
                index, index in self.image_to_prompt, self.attention.neighbour_weights(*heads)
            )
            for index, heads in enumerate(calls)
            if heads[0].q.shape[2] == heads[1].k.shape[2]
        ]

    def _final_norm(self, tokens: Tensor) -> Tensor:
        """Apply the backbone's last norm in float32, as the head is."""
        return in_float32(self.backbone.norm, tokens)

    def _layer(
        self, index: int, block: FrozenBlock, x: Tensor, p: Tensor, *deep: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Run a block on both streams and let one of them adapt to the other.

        Args:
            index: of the block's fusion.
            block: frozen.
            x: image tokens.
            p: prompt tokens.
            deep: further tokens that pass the block alone.

        Returns:
            Both streams after the block, and the block's outputs for the further tokens.
        """
        (x_heads, x_out), (p_heads, p_out), *others = run_stacked(block, x, p, *deep)
        if index in self.image_to_prompt:
            p_out = p_out + self._fuse(index, block, p, p_heads, x_heads)
        else:
            x_out = x_out + self._fuse(index, block, x, x_heads, p_heads)
        return x_out, p_out, [out for _, out in others]

    def _fuse(
        self, index: int, block: FrozenBlock, tokens: Tensor, query: Heads, key_value: Heads
    ) -> Tensor:
        attended = block.fuse(query, key_value, self.attention)
        adapted: Tensor = self.fusion[index](attended, block.queried(tokens))
        return self.inter_weight * adapted


@contextmanager
def _recorded(attention: AlignedAttention) -> Iterator[list[tuple[Heads, Heads]]]:
    """Collect what the fusion's attention is called with."""
    calls: list[tuple[Heads, Heads]] = []

    def record(_: nn.Module, arguments: Any) -> None:
        calls.append(arguments)

    handle = attention.register_forward_pre_hook(record)
    try:
        yield calls
    finally:
        handle.remove()
