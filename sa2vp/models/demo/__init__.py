"""A small vision transformer pre-trained on procedurally drawn images: no download, CPU-sized."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypedDict


class Architecture(TypedDict):
    """The keyword arguments of timm's ``VisionTransformer`` that the weights were trained with."""

    img_size: int
    patch_size: int
    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float
    qkv_bias: bool
    global_pool: str
    num_classes: int


ARCHITECTURE: Final = Architecture(
    img_size=32,
    patch_size=4,  # an 8x8 grid
    embed_dim=96,
    depth=6,
    num_heads=4,
    mlp_ratio=4.0,
    qkv_bias=True,
    global_pool="token",
    num_classes=0,
)

WEIGHTS_PATH: Final = Path(__file__).with_name("weights.safetensors")
"""The backbone's float32 state dict, under timm's names."""
