"""Fixtures that several test folders share."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer


@pytest.fixture
def tiny_backbone() -> VisionTransformer:
    """A random ViT with every array away from its initial zeros and ones: 4x4 patches, 6 blocks."""
    return make_tiny_backbone()


def make_tiny_backbone(**overrides: object) -> VisionTransformer:
    architecture: dict[str, object] = {
        "img_size": 16,
        "patch_size": 4,
        "embed_dim": 24,
        "depth": 6,
        "num_heads": 3,
        "num_classes": 0,
    }
    generator = torch.Generator().manual_seed(0)
    backbone = VisionTransformer(**(architecture | overrides))
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return backbone.eval()
