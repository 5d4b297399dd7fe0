"""The closed-form weights that the golden files were computed with."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

GOLDEN = Path(__file__).parents[1] / "data"
TARGETS = torch.tensor([3, 7])


def value(
    name: str, shape: tuple[int, ...], scale: float, offset: float = 0.0
) -> NDArray[np.float32]:
    normal = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    return (offset + scale * normal).astype(np.float32)


def images() -> torch.Tensor:
    return torch.from_numpy(value("images", (2, 3, 224, 224), 1.0))


def learned(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Give a learned array by its name in the state dict."""
    offset = 0.0
    if name.startswith("head."):
        scale = 0.05
    elif name in {"prompt", "deep_prompt", "deep_scale"}:
        scale = 0.5
    elif name.endswith(".bias"):
        scale = 0.05
    elif ".norm." in name:
        scale, offset = 0.1, 1.0
    elif name.startswith("fusion."):
        scale = 0.1
    else:
        scale = 0.3
    return torch.from_numpy(value(name, shape, scale, offset))


def vit_b16_npz() -> dict[str, NDArray[np.float32]]:
    """Give every array of a ViT-B/16 in the JAX layout of ``imagenet21k_ViT-B_16.npz``."""
    arrays = {
        "embedding/kernel": value("embedding/kernel", (16, 16, 3, 768), 0.05),
        "embedding/bias": value("embedding/bias", (768,), 0.02),
        "cls": value("cls", (1, 1, 768), 0.2),
    }
    position = "Transformer/posembed_input/pos_embedding"
    arrays[position] = value(position, (1, 197, 768), 0.2)
    norms = ["Transformer/encoder_norm"]
    for i in range(12):
        block = f"Transformer/encoderblock_{i}"
        norms += [f"{block}/LayerNorm_0", f"{block}/LayerNorm_2"]
        attention = f"{block}/MultiHeadDotProductAttention_1"
        shapes = {
            **{f"{attention}/{part}/kernel": (768, 12, 64) for part in ("query", "key", "value")},
            **{f"{attention}/{part}/bias": (12, 64) for part in ("query", "key", "value")},
            f"{attention}/out/kernel": (12, 64, 768),
            f"{attention}/out/bias": (768,),
            f"{block}/MlpBlock_3/Dense_0/kernel": (768, 3072),
            f"{block}/MlpBlock_3/Dense_0/bias": (3072,),
            f"{block}/MlpBlock_3/Dense_1/kernel": (3072, 768),
            f"{block}/MlpBlock_3/Dense_1/bias": (768,),
        }
        for key, shape in shapes.items():
            scale = 0.02 if key.endswith("bias") or "Dense_1" in key else 0.04
            arrays[key] = value(key, shape, scale)
    for norm in norms:
        arrays[f"{norm}/scale"] = value(f"{norm}/scale", (768,), 0.02, 1.0)
        arrays[f"{norm}/bias"] = value(f"{norm}/bias", (768,), 0.02)
    return arrays
