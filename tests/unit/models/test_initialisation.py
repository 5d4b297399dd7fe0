"""The initial values of every learned array, which differ between the published ViT and Swin."""

from __future__ import annotations

import pytest
import torch
from tiny import make_tiny_backbone, make_tiny_swin

from sa2vp.models import SA2VP, create_sa2vp

# Linears are 256 x 64 on the ViT: Xavier's bound is the root of 6 / 320, its std of 2 / 320.
XAVIER_BOUND, XAVIER_STD = 0.13693, 0.07906
# The head's bias is uniform up to 1 / the root of its 256 inputs: 0.0625, over the root of 3.
HEAD_BIAS_BOUND, HEAD_BIAS_STD = 0.0625, 0.03608


def model_on(kind: str) -> SA2VP:
    torch.manual_seed(0)
    backbone = (
        make_tiny_swin(embed_dim=64)
        if kind == "swin"
        else make_tiny_backbone(embed_dim=256, num_heads=4)
    )
    fusion = "acc" if kind == "vit-acc" else "exact"
    return create_sa2vp(backbone, num_classes=1000, inter_dim=64, fusion=fusion)


@pytest.mark.parametrize("kind", ["vit", "vit-acc", "swin"])
def test_every_array_begins_as_in_the_published_code(kind: str) -> None:
    for name, array in model_on(kind).trainable_state_dict().items():
        std = array.std().item()
        if name.endswith("norm.weight"):
            assert (array == 1).all(), name
        elif name.endswith("norm.bias"):
            assert (array == 0).all(), name
        elif name == "head.bias":
            assert std == pytest.approx(HEAD_BIAS_STD, rel=0.05)
            assert array.abs().max() <= HEAD_BIAS_BOUND
        elif name in {"prompt", "deep_prompt", "deep_scale", "head.weight"}:
            assert std == pytest.approx(0.02, rel=0.1), name
        elif name.endswith("bias"):
            assert std == (0 if kind == "swin" else pytest.approx(1e-6, rel=0.35)), name
            assert array.abs().max() < 1e-5, name
        elif kind == "swin":
            assert std == pytest.approx(0.02, rel=0.04), name
            assert array.abs().max() > 0.05, name  # normal, not uniform
        else:
            assert std == pytest.approx(XAVIER_STD, rel=0.04), name
            assert array.abs().max() == pytest.approx(XAVIER_BOUND, rel=0.01), name
