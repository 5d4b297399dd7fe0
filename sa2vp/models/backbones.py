"""Frozen backbones by name: timm's architectures, with weights from a file or from timm's hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

from sa2vp.models.demo import ARCHITECTURE as DEMO_ARCHITECTURE
from sa2vp.models.demo import WEIGHTS_PATH as DEMO_WEIGHTS_PATH
from sa2vp.models.suitability import Backbone, BackboneError, ImageSizeError, check_suitable
from sa2vp.models.weights import SUFFIXES, load_weights

TIMM_NAMES = {
    "vit-b16": "vit_base_patch16_224.orig_in21k",
    "swin-b": "swin_base_patch4_window7_224.ms_in22k",
}
"""The project's names for backbones of the paper, and timm's."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_HUB_SECONDS = 5


def load_backbone(
    name: str, checkpoint: str | Path | None = None, image_size: int | None = None
) -> Backbone:
    """Load a frozen backbone. The random generators' state is left as it is.

    Args:
        name: ``demo`` (shipped with the package), ``vit-b16``, ``swin-b``, or the name of a timm
            ViT or Swin.
        checkpoint: its weights (see :func:`~sa2vp.models.weights.load_weights`). Without one, timm
            fetches those of a named backbone from its hub.
        image_size: height and width of the images in pixels, where not the backbone's own.
            Position embeddings are resampled. A Swin's windows grow or shrink with the image.

    Returns:
        The backbone without a classification head, in evaluation mode.

    Raises:
        BackboneError: unknown name, missing or unsuitable file, unsuitable architecture.
    """
    check_backbone_name(name, checkpoint)
    if image_size is not None and image_size < 1:
        raise ImageSizeError(f"the image size must be 1 or more, got {image_size}")
    # The weights drawn here are overwritten at once. A seed set before must give the learned arrays
    # the same values whether or not the backbone was loaded in between.
    with torch.random.fork_rng(devices=[]):
        if name == "demo":
            return _load_demo(image_size)
        return _load_timm(TIMM_NAMES.get(name, name), checkpoint, image_size)


def check_backbone_name(name: str, checkpoint: str | Path | None = None) -> None:
    """Refuse, without loading anything, a name or checkpoint that cannot work.

    Raises:
        BackboneError: the message names what is known or expected.
    """
    if name != "demo" and not timm.is_model(TIMM_NAMES.get(name, name)):
        known = ", ".join(["demo", *TIMM_NAMES])
        raise BackboneError(f"unknown backbone {name!r}; known: {known}, or a timm ViT's or Swin's")
    if checkpoint is None:
        return
    if name == "demo":
        raise BackboneError("the demo backbone comes with its weights; leave the checkpoint out")
    if Path(checkpoint).suffix not in SUFFIXES:
        raise BackboneError(f"{checkpoint}: expected a file ending in {', '.join(SUFFIXES)}")
    if not Path(checkpoint).is_file():
        raise BackboneError(f"{checkpoint}: no such file")


def _load_demo(image_size: int | None) -> VisionTransformer:
    architecture: dict[str, Any] = {**DEMO_ARCHITECTURE}
    if image_size is not None:
        architecture["img_size"] = image_size
    try:
        backbone = VisionTransformer(**architecture)
        check_suitable(backbone, "demo")
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ImageSizeError(f"demo at image size {image_size}: {error}") from error
    return load_weights(backbone, DEMO_WEIGHTS_PATH, "demo").eval()


def _load_timm(timm_name: str, checkpoint: str | Path | None, image_size: int | None) -> Backbone:
    """Build a timm model without its head, from a file or from timm's hub."""
    size = _size_arguments(timm_name, image_size)
    try:
        check_suitable(_architecture(timm_name, size), timm_name)
    except ImageSizeError:
        raise
    except BackboneError as error:
        if image_size is None:
            raise
        raise ImageSizeError(f"at image size {image_size}, {error}") from error
    if checkpoint is not None:
        backbone = timm.create_model(timm_name, num_classes=0, **size)
        return load_weights(backbone, Path(checkpoint), timm_name).eval()
    try:
        _check_hub(timm_name)
        return timm.create_model(timm_name, pretrained=True, num_classes=0, **size).eval()
    except Exception as error:  # timm and its hub client raise many kinds
        raise BackboneError(
            f"the weights of {timm_name} could not be fetched from timm's hub "
            f"({type(error).__name__}); give them as a file"
        ) from error


def _architecture(timm_name: str, size: dict[str, Any]) -> torch.nn.Module:
    """Build the architecture alone, without memory or time for its weights."""
    try:
        with torch.device("meta"):
            model: torch.nn.Module = timm.create_model(timm_name, num_classes=0, **size)
            return model
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        if not size:
            raise
        raise ImageSizeError(
            f"{timm_name} cannot be built for image size {size['img_size']}: {error}"
        ) from error


def _size_arguments(timm_name: str, image_size: int | None) -> dict[str, Any]:
    """Give timm's arguments for an image size that is not the backbone's own."""
    if image_size is None:
        return {}
    original = _architecture(timm_name, {})
    if not isinstance(original, SwinTransformer):
        return {"img_size": image_size}
    window, own_size = original.layers[0].blocks[0].window_size[0], original.patch_embed.img_size[0]
    return {"img_size": image_size, "window_size": max(1, round(window * image_size / own_size))}


def _check_hub(timm_name: str) -> None:
    """Fail at once where the hub does not answer: its own client tries for most of a minute."""
    repository = getattr(timm.get_pretrained_cfg(timm_name), "hf_hub_id", None)
    if repository is None:
        return
    cached = (try_to_load_from_cache(repository, file_name) for file_name in _HUB_FILES)
    if not any(isinstance(path, str) for path in cached):
        HfApi().model_info(repository, timeout=_HUB_SECONDS)
