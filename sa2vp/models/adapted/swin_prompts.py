"""Prompt tokens beside a Swin's map, as VPT defines them (arXiv:2203.12119, section 3.2).

In every block the prompts stand in each window with its tokens; what they become is the mean over
the windows of their own image. A patch merging takes four of the same. The last norm and the mean
over tokens take them in.

The published code orders prompts by window and image where its windows are ordered by image and
window, so that from the second block on it mixes the prompts of a batch's images. Here each image
keeps its own.

Shapes: B images, P prompt tokens, D channels, W windows of an image, S tokens of a window, H heads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models.adapted.prompts import Prompts, initial_bound
from sa2vp.models.fast.attention import attend
from sa2vp.models.fast.swin_block import FrozenSwinBlock, window_order

Both = tuple[Tensor, Tensor]
"""The map ``(B, rows, columns, D)`` and the prompts ``(B, P, D)``."""


class PromptedSwinBlock(nn.Module):
    """A frozen block that prompts pass with the map.

    Args:
        block: of timm's Swin, its windows tiling the map.
        prompts: of this block, in the place of those of the block before; None keeps these.
    """

    def __init__(self, block: Any, prompts: Prompts | None) -> None:
        super().__init__()
        self.block, self.prompts = block, prompts

    def forward(self, both: Both) -> Both:
        """Give map and prompts after the block."""
        block = self.block
        image, prompts = both
        if self.prompts is not None:
            prompts = self.prompts(len(image))
        attended = self._attend(block.norm1(image), block.norm1(prompts))
        image, prompts = image + attended[0], prompts + attended[1]
        image = image + block.mlp(block.norm2(image))
        prompts = prompts + block.mlp(block.norm2(prompts))
        return image, prompts

    def _attend(self, image: Tensor, prompts: Tensor) -> Both:
        """Attend within windows that the prompts stand in, too."""
        block, length = self.block, prompts.shape[1]
        order, inverse = window_order(
            block.input_resolution, block.window_size, block.shift_size, image.device
        )
        ordered = image.flatten(1, 2)[:, order]
        windows = ordered.unflatten(1, (-1, block.window_area))  # (B, W, S, D)
        repeated = prompts.unsqueeze(1).expand(-1, windows.shape[1], -1, -1)
        joined = torch.cat([repeated, windows], dim=2).flatten(0, 1)
        heads = block.attn.qkv(joined).unflatten(2, (3, block.attn.num_heads, -1))
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        bias = F.pad(FrozenSwinBlock(block, 0.0).bias(len(image)), (length, 0, length, 0))
        mixed = attend(q, k, v, bias).transpose(1, 2).flatten(2)
        given = block.attn.proj(mixed).unflatten(0, (len(image), -1))  # (B, W, P + S, D)
        merged = given[:, :, length:].flatten(1, 2)[:, inverse]
        return merged.view_as(image), given[:, :, :length].mean(1)


class FirstPrompts(nn.Module):
    """Where the prompts join the map: before the first stage.

    Args:
        prompts: of the first block.
    """

    def __init__(self, prompts: Prompts) -> None:
        super().__init__()
        self.prompts = prompts

    def forward(self, image: Tensor) -> Both:
        """Add the prompts to the map ``(B, rows, columns, D)``."""
        return image, self.prompts(len(image))


class PromptedMerging(nn.Module):
    """A frozen patch merging, which takes each prompt for four patches of the same.

    Args:
        merging: of timm's Swin.
    """

    def __init__(self, merging: Any) -> None:
        super().__init__()
        self.merging = merging

    def forward(self, both: Both) -> Both:
        """Give map and prompts of the next stage."""
        image, prompts = both
        repeated = self.merging.norm(prompts.repeat(1, 1, 4))
        return self.merging(image), self.merging.reduction(repeated)


class PromptedNorm(nn.Module):
    """The frozen last norm, over the tokens of the map and the prompts.

    Args:
        norm: of timm's Swin.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, both: Both) -> Tensor:
        """Give all tokens, ``(B, P + rows * columns, D)``."""
        image, prompts = both
        tokens: Tensor = self.norm(torch.cat([prompts, image.flatten(1, 2)], dim=1))
        return tokens


def prompt_swin(backbone: Any, length: int, *, deep: bool, dropout: float) -> None:
    """Put prompts before the first block, or before each.

    Args:
        backbone: a Swin of the model's own.
        length: P.
        deep: whether each block has prompts of its own.
        dropout: rate in training.
    """
    # The published code takes the first stage's channels for the bounds of every stage.
    bound = initial_bound(backbone.patch_embed.patch_size, backbone.embed_dim)
    for number, stage in enumerate(backbone.layers):
        if number:
            stage.downsample = PromptedMerging(stage.downsample)
        else:
            stage.downsample = FirstPrompts(Prompts(length, backbone.embed_dim, bound, dropout))
        for index, block in enumerate(stage.blocks):
            own = deep and (number, index) != (0, 0)
            prompts = Prompts(length, block.dim, bound, dropout) if own else None
            stage.blocks[index] = PromptedSwinBlock(block, prompts)
    backbone.norm = PromptedNorm(backbone.norm)
