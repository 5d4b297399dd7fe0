"""A backbone's weights from a file: every array accounted for, or none loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import timm.models
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from sa2vp.models.suitability import BackboneError
from sa2vp.text import one_line

SUFFIXES = (".npz", ".pth", ".pt", ".bin", ".safetensors")
"""``.npz`` is the JAX layout of ViTs; the others hold a state dict, timm's or the official one."""

_NAMED = 5

BackboneT = TypeVar("BackboneT", bound=nn.Module)


def load_weights(backbone: BackboneT, path: Path, name: str) -> BackboneT:
    """Load weights into a backbone that has no classification head.

    timm converts the layouts it knows, such as the official one of Swin, and resamples position
    embeddings. A head in the file is left out.

    Args:
        backbone: of the architecture that the weights are for.
        path: ``imagenet21k_ViT-B_16.npz``, ``swin_base_patch4_window7_224_22k.pth``, or a timm
            state dict as ``.pth`` or ``.safetensors``.
        name: of the architecture, for messages.

    Returns:
        The same backbone.

    Raises:
        BackboneError: the file cannot be read, or its arrays are not exactly the backbone's;
            missing, unexpected and misshapen arrays are named.
    """
    load = _load_jax if path.suffix == ".npz" else _load_state_dict
    try:
        load(backbone, path, name)
    except BackboneError:
        raise
    except Exception as error:  # damaged files end in many kinds of errors
        raise BackboneError(f"{path}: not the weights of {name}: {one_line(error)}") from error
    return backbone


def _load_state_dict(backbone: nn.Module, path: Path, name: str) -> None:
    read = timm.models.load_state_dict(str(path), weights_only=True)
    arrays: dict[str, Tensor] = _filter_of(backbone)(read, backbone)
    own = backbone.state_dict()
    arrays = {key: array for key, array in arrays.items() if not key.startswith("head")}
    _check_names(own, arrays, path, name)
    wrong = [
        f"{key} {tuple(arrays[key].shape)}, expected {tuple(array.shape)}"
        for key, array in own.items()
        if arrays[key].shape != array.shape
    ]
    if wrong:
        raise BackboneError(f"{path}: not the weights of {name}: {_some(wrong)}")
    backbone.load_state_dict(arrays)


def _load_jax(backbone: nn.Module, path: Path, name: str) -> None:
    if not isinstance(backbone, VisionTransformer):
        raise BackboneError(f"{path}: {name} is no ViT; give its weights as .pth or .safetensors")
    with np.load(path, allow_pickle=False) as file:
        present = {key for key in file.files if not key.startswith(("head/", "pre_logits/"))}
    _check_names(_jax_names(len(backbone.blocks)), present, path, name)
    with torch.no_grad():
        backbone.load_pretrained(str(path))


def _jax_names(depth: int) -> list[str]:
    """List the arrays of a ViT in the JAX layout (google-research/vision_transformer)."""
    names = ["cls", "embedding/kernel", "embedding/bias"]
    names.append("Transformer/posembed_input/pos_embedding")
    names += [f"Transformer/encoder_norm/{part}" for part in ("scale", "bias")]
    attention = [f"MultiHeadDotProductAttention_1/{p}" for p in ("query", "key", "value", "out")]
    for block in (f"Transformer/encoderblock_{index}" for index in range(depth)):
        names += [f"{block}/LayerNorm_{i}/{part}" for i in (0, 2) for part in ("scale", "bias")]
        linears = [*attention, "MlpBlock_3/Dense_0", "MlpBlock_3/Dense_1"]
        names += [f"{block}/{linear}/{part}" for linear in linears for part in ("kernel", "bias")]
    return names


def _check_names(expected: Iterable[str], present: Iterable[str], path: Path, name: str) -> None:
    wanted, found = set(expected), set(present)
    problems = {"missing": sorted(wanted - found), "unexpected": sorted(found - wanted)}
    told = [f"{kind} {_some(names)}" for kind, names in problems.items() if names]
    if told:
        raise BackboneError(f"{path}: not the weights of {name}: {'; '.join(told)}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _filter_of(backbone: nn.Module):  # type: ignore[no-untyped-def]  # timm's are not annotated
    """Find timm's converter for the layouts of this architecture."""
    return sys.modules[type(backbone).__module__].checkpoint_filter_fn
