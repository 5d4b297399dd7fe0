"""The closed-form weights that the golden files were computed with."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

GOLDEN = Path(__file__).parents[1] / "golden"
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


def swin_b_state_dict() -> dict[str, torch.Tensor]:
    """Give every array of a Swin-B under the official names, as in ``swin_base_…_22k.pth``."""
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (128, 3, 4, 4),
        "patch_embed.proj.bias": (128,),
        "patch_embed.norm.weight": (128,),
        "patch_embed.norm.bias": (128,),
        "norm.weight": (1024,),
        "norm.bias": (1024,),
    }
    for stage, (depth, dim, heads) in enumerate(
        zip((2, 2, 18, 2), (128, 256, 512, 1024), (4, 8, 16, 32), strict=True)
    ):
        for index in range(depth):
            block = f"layers.{stage}.blocks.{index}"
            shapes[f"{block}.attn.relative_position_bias_table"] = (13 * 13, heads)
            for norm in ("norm1", "norm2"):
                shapes |= {f"{block}.{norm}.weight": (dim,), f"{block}.{norm}.bias": (dim,)}
            for linear, rows, columns in (
                ("attn.qkv", 3 * dim, dim),
                ("attn.proj", dim, dim),
                ("mlp.fc1", 4 * dim, dim),
                ("mlp.fc2", dim, 4 * dim),
            ):
                shapes[f"{block}.{linear}.weight"] = (rows, columns)
                shapes[f"{block}.{linear}.bias"] = (rows,)
        if stage < 3:
            merging = f"layers.{stage}.downsample"
            shapes |= {f"{merging}.norm.weight": (4 * dim,), f"{merging}.norm.bias": (4 * dim,)}
            shapes[f"{merging}.reduction.weight"] = (2 * dim, 4 * dim)
    return {name: torch.from_numpy(swin_array(name, shape)) for name, shape in shapes.items()}


def swin_array(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if "norm" in name:
        return value(name, shape, 0.02, 1.0 if name.endswith("weight") else 0.0)
    if name.endswith("relative_position_bias_table"):
        return value(name, shape, 0.2)
    if name.endswith(".bias"):
        return value(name, shape, 0.02)
    return value(name, shape, 0.7 / float(np.prod(shape[1:])) ** 0.5)
