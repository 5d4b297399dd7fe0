"""SA2VP on a Swin Transformer.

Shapes: B images, N tokens of a stage in raster order (no class token), D its channels, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from sa2vp.models.fast.attention import FUSIONS
from sa2vp.models.fast.block import run_stacked
from sa2vp.models.fast.swin_block import FrozenSwinBlock
from sa2vp.models.initialisation import init_truncated
from sa2vp.models.streams import Geometry, TwoStreams


class SA2VPSwin(TwoStreams):
    """A Swin adapted by a map of prompt tokens, each aligned with an image token.

    The prompt map has the size of the patch map (56x56 at 224 pixels). Both streams pass all
    stages and patch mergings; they are fused in the stage with the most blocks (the third).

    Args:
        backbone: a timm SwinTransformer that
            :func:`~sa2vp.models.suitability.check_suitable` accepts.
        num_classes: C.
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: the weight of the fusion's output in the stream it adapts.
        dropout: rate in the fusion while training.
        drop_path: the last block's probability of leaving out a residual branch while training,
            rising linearly from the first block's 0.
    """

    def __init__(
        self,
        backbone: SwinTransformer,
        *,
        num_classes: int,
        inter_dim: int,
        inter_weight: float,
        dropout: float = 0.1,
        drop_path: float = 0.2,
    ) -> None:
        fused_stage = backbone.layers[fused_stage_index(backbone)]
        grid = fused_stage.output_resolution[0]
        super().__init__(
            backbone,
            geometry=Geometry(
                prompt_tokens=backbone.patch_embed.num_patches,
                prompt_dim=backbone.patch_embed.proj.out_channels,
                fused_blocks=len(fused_stage.blocks),
                fused_dim=fused_stage.blocks[0].dim,
                feature_dim=backbone.num_features,
            ),
            attention=FUSIONS["exact"](grid, class_token=False),
            num_classes=num_classes,
            inter_dim=inter_dim,
            inter_weight=inter_weight,
            dropout=dropout,
            init_linear=init_truncated,
        )
        depth = sum(len(stage.blocks) for stage in backbone.layers)
        self.drop_path_rates = torch.linspace(0, drop_path, depth).tolist()

    def forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give the mean over tokens of the image and the prompt stream, ``(B, D)`` each."""
        x: Tensor = self.backbone.patch_embed(images).flatten(1, 2)
        p: Tensor = self.backbone.patch_embed.norm(self.prompt_proj(self.prompt))
        rates = iter(self.drop_path_rates)
        fused = fused_stage_index(self.backbone)
        for index, stage in enumerate(self.backbone.layers):
            x, p = (_merge_patches(stage, stream) for stream in (x, p))
            for fusion, block in enumerate(self._frozen_blocks(stage, rates)):
                if block.drop_path_rate > 0:  # drawn for each image: the prompts differ from now on
                    p = p.expand(len(x), -1, -1)
                if index == fused:
                    x, p, _ = self._layer(fusion, block, x, p)
                else:
                    (_, x), (_, p) = run_stacked(block, x, p)
        return self._final_norm(x).mean(1), self._final_norm(p).mean(1)

    def _frozen_blocks(self, stage: Any, rates: Iterator[float]) -> Iterator[FrozenSwinBlock]:
        for block, rate in zip(stage.blocks, rates, strict=False):
            yield FrozenSwinBlock(block, drop_path_rate=rate if self.training else 0.0)


def fused_stage_index(backbone: SwinTransformer) -> int:
    """Give the stage with the most blocks, the later one of equals."""
    depths = [len(stage.blocks) for stage in backbone.layers]
    return max(range(len(depths)), key=lambda index: (depths[index], index))


def _merge_patches(stage: Any, tokens_BND: Tensor) -> Tensor:
    """Halve the map where the stage begins with a patch merging."""
    if isinstance(stage.downsample, nn.Identity):
        return tokens_BND
    merged: Tensor = stage.downsample(tokens_BND.unflatten(1, stage.input_resolution))
    return merged.flatten(1, 2)
