"""Frozen backbones by name, and the check that SA2VP can align its prompts with one."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from safetensors.torch import load_file
from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from sa2vp.models.demo import ARCHITECTURE as DEMO_ARCHITECTURE
from sa2vp.models.demo import WEIGHTS_PATH as DEMO_WEIGHTS_PATH

TIMM_NAMES = {"vit-b16": "vit_base_patch16_224.orig_in21k"}
"""The project's names for backbones of the paper, and timm's."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_HUB_SECONDS = 5


class BackboneError(ValueError):
    """A backbone that is unknown, cannot be loaded or does not suit SA2VP."""


def load_backbone(name: str, checkpoint: str | Path | None = None) -> VisionTransformer:
    """Load a frozen backbone. The random generators' state is left as it is.

    Args:
        name: ``demo`` (shipped with the package), ``vit-b16``, or the name of a timm ViT.
        checkpoint: a ``.npz`` file in the JAX layout, such as ``imagenet21k_ViT-B_16.npz``.
            Without one, timm fetches the weights of a named backbone from its hub.

    Returns:
        The backbone without a classification head, in evaluation mode.

    Raises:
        BackboneError: unknown name, missing or unsuitable file, unsuitable architecture.
    """
    check_backbone_name(name, checkpoint)
    # The weights drawn here are overwritten at once. A seed set before must give the learned arrays
    # the same values whether or not the backbone was loaded in between.
    with torch.random.fork_rng(devices=[]):
        if name == "demo":
            backbone = VisionTransformer(**DEMO_ARCHITECTURE)
            backbone.load_state_dict(load_file(DEMO_WEIGHTS_PATH))
        else:
            backbone = _load_timm(TIMM_NAMES.get(name, name), checkpoint)
    return backbone.eval()


def check_backbone_name(name: str, checkpoint: str | Path | None = None) -> None:
    """Refuse, without loading anything, a name or checkpoint that cannot work.

    Raises:
        BackboneError: the message names what is known or expected.
    """
    if name != "demo" and not timm.is_model(TIMM_NAMES.get(name, name)):
        known = ", ".join(["demo", *TIMM_NAMES])
        raise BackboneError(f"unknown backbone {name!r}; known: {known}, or a timm ViT's name")
    if checkpoint is None:
        return
    if name == "demo":
        raise BackboneError("the demo backbone comes with its weights; leave the checkpoint out")
    if Path(checkpoint).suffix != ".npz":
        raise BackboneError(f"{checkpoint}: expected a .npz file in the JAX layout")
    if not Path(checkpoint).is_file():
        raise BackboneError(f"{checkpoint}: no such file")


def check_suitable(backbone: object, name: str) -> None:
    """Refuse a backbone whose tokens cannot be aligned one to one with prompts.

    Raises:
        BackboneError: the message says which property is missing.
    """
    if not isinstance(backbone, VisionTransformer):
        raise BackboneError(f"{name} is a {type(backbone).__name__}, not a timm VisionTransformer")
    rows, columns = backbone.patch_embed.grid_size
    requirements = {
        f"a square patch grid (it has {rows}x{columns})": rows == columns,
        "a class token and no register tokens": backbone.has_class_token
        and backbone.num_prefix_tokens == 1,
        "learned position embeddings of fixed size": backbone.pos_embed is not None
        and not backbone.dynamic_img_size,
        "a final norm before pooling": not isinstance(backbone.norm, nn.Identity),
        "at least 3 blocks, all of timm's plain Block": len(backbone.blocks) >= 3
        and all(type(block) is Block for block in backbone.blocks),
        "timm's plain, ungated Attention": all(
            type(block.attn) is Attention and block.attn.gate is None
            for block in backbone.blocks
            if isinstance(block, Block)
        ),
    }
    for requirement, met in requirements.items():
        if not met:
            raise BackboneError(f"{name} does not suit SA2VP, which needs {requirement}")


def _load_timm(timm_name: str, checkpoint: str | Path | None) -> VisionTransformer:
    """Build a timm model without its head, from a file or from timm's hub."""
    with torch.device("meta"):  # the architecture alone, without memory or time for its weights
        check_suitable(timm.create_model(timm_name, num_classes=0), timm_name)
    try:
        if checkpoint is None:
            _check_hub(timm_name)
        return timm.create_model(
            timm_name,
            pretrained=checkpoint is None,
            checkpoint_path=str(checkpoint or ""),
            num_classes=0,
        )
    except KeyError as error:
        raise BackboneError(f"{checkpoint}: array {error} of {timm_name} is missing") from error
    except Exception as error:  # timm and its hub client raise many kinds
        if checkpoint is not None:
            reason = " ".join(str(error).split())
            raise BackboneError(
                f"{checkpoint}: not the weights of {timm_name}: {reason}"
            ) from error
        raise BackboneError(
            f"the weights of {timm_name} could not be fetched from timm's hub "
            f"({type(error).__name__}); give a file with --checkpoint"
        ) from error


def _check_hub(timm_name: str) -> None:
    """Fail at once where the hub does not answer: its own client tries for most of a minute."""
    repository = getattr(timm.get_pretrained_cfg(timm_name), "hf_hub_id", None)
    if repository is None:
        return
    cached = (try_to_load_from_cache(repository, file_name) for file_name in _HUB_FILES)
    if not any(isinstance(path, str) for path in cached):
        HfApi().model_info(repository, timeout=_HUB_SECONDS)
