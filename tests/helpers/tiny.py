"""Backbones small enough for a test, the same random weights every time, none at initial zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

T = TypeVar("T", bound=torch.nn.Module)


def make_tiny_backbone(**overrides: object) -> VisionTransformer:
    """Make a ViT: 4x4 patches, 6 blocks."""
    architecture: dict[str, object] = {
        "img_size": 16,
        "patch_size": 4,
        "embed_dim": 24,
        "depth": 6,
        "num_heads": 3,
        "num_classes": 0,
    }
    return _randomised(VisionTransformer, architecture | overrides)


def make_tiny_swin(**overrides: object) -> SwinTransformer:
    """Make a Swin: maps of 12x12, 6x6 and 3x3, windows of 3x3, the second stage the deepest."""
    architecture: dict[str, object] = {
        "img_size": 24,
        "patch_size": 2,
        "embed_dim": 8,
        "depths": (2, 6, 1),
        "num_heads": (2, 4, 4),
        "window_size": 3,
        "num_classes": 0,
    }
    return _randomised(SwinTransformer, architecture | overrides)


def _randomised(build: Callable[..., T], architecture: dict[str, object]) -> T:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        backbone = build(**architecture)
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return backbone.eval()
