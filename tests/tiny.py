"""A backbone small enough for a test."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer


def make_tiny_backbone(**overrides: object) -> VisionTransformer:
    """Make the same random ViT every time, no array at its initial zeros: 4x4 patches, 6 blocks."""
    architecture: dict[str, object] = {
        "img_size": 16,
        "patch_size": 4,
        "embed_dim": 24,
        "depth": 6,
        "num_heads": 3,
        "num_classes": 0,
    }
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        backbone = VisionTransformer(**(architecture | overrides))
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return backbone.eval()
