"""Whether SA2VP can align its prompts with a backbone's tokens."""

from __future__ import annotations

from typing import Any

from timm.layers import Attention, Mlp
from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock, WindowAttention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from sa2vp.models.swin import fused_stage_index

Backbone = VisionTransformer | SwinTransformer


class BackboneError(ValueError):
    """A backbone that is unknown, cannot be loaded or does not suit SA2VP."""


class ImageSizeError(BackboneError):
    """An image size that a backbone cannot be built for."""


def check_suitable(backbone: object, name: str) -> None:
    """Refuse a backbone whose tokens cannot be aligned one to one with prompts.

    Raises:
        BackboneError: the message says which property is missing.
    """
    if isinstance(backbone, VisionTransformer):
        requirements = _vit_requirements(backbone)
    elif isinstance(backbone, SwinTransformer):
        requirements = _swin_requirements(backbone)
    else:
        raise BackboneError(
            f"{name} is a {type(backbone).__name__}, not a timm VisionTransformer or "
            "SwinTransformer"
        )
    for requirement, met in (requirements | _tiled_by_patches(backbone)).items():
        if not met:
            raise BackboneError(f"{name} does not suit SA2VP, which needs {requirement}")


def _tiled_by_patches(backbone: Any) -> dict[str, bool]:
    (height, width), (rows, columns) = (
        backbone.patch_embed.img_size,
        backbone.patch_embed.patch_size,
    )
    return {
        f"an image size that its {rows}x{columns} patches tile (it has {height}x{width})": height
        % rows
        == width % columns
        == 0
    }


def _vit_requirements(backbone: VisionTransformer) -> dict[str, bool]:
    rows, columns = backbone.patch_embed.grid_size
    blocks = list(backbone.blocks)
    return {
        f"a square patch grid (it has {rows}x{columns})": rows == columns,
        "a class token and no register tokens": backbone.has_class_token
        and backbone.num_prefix_tokens == 1,
        "learned position embeddings of fixed size": backbone.pos_embed is not None
        and not backbone.dynamic_img_size,
        "a final norm before pooling": not isinstance(backbone.norm, nn.Identity),
        "at least 3 blocks, all of timm's plain Block": len(blocks) >= 3
        and all(type(block) is Block for block in blocks),
        "timm's plain, ungated Attention": all(
            type(block.attn) is Attention and block.attn.gate is None
            for block in blocks
            if isinstance(block, Block)
        ),
        "timm's plain Mlp, without a norm inside": all(
            type(block.mlp) is Mlp and isinstance(block.mlp.norm, nn.Identity) for block in blocks
        ),
    }


def _swin_requirements(backbone: SwinTransformer) -> dict[str, bool]:
    rows, columns = backbone.patch_embed.grid_size
    blocks = [block for stage in backbone.layers for block in stage.blocks]
    untiled = [
        f"{block.window_size[0]}x{block.window_size[1]} windows on {height}x{width} tokens"
        for block in blocks
        for height, width in [block.input_resolution]
        if height % block.window_size[0] or width % block.window_size[1]
    ]
    return {
        f"a square patch grid (it has {rows}x{columns})": rows == columns,
        "a fixed input size": not backbone.dynamic_img_size,
        "at least 3 blocks in its deepest stage": len(
            backbone.layers[fused_stage_index(backbone)].blocks
        )
        >= 3,
        "timm's plain Swin blocks and window attention": all(
            type(block) is SwinTransformerBlock and type(block.attn) is WindowAttention
            for block in blocks
        ),
        f"windows that tile every stage (it has {', '.join(dict.fromkeys(untiled))}); "
        "choose another image size": not untiled,
    }
