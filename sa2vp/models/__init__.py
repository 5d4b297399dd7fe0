"""SA2VP models over frozen backbones."""

from __future__ import annotations

from pathlib import Path

from timm.models.swin_transformer import SwinTransformer

from sa2vp.models.backbones import load_backbone
from sa2vp.models.fast.attention import FUSIONS
from sa2vp.models.suitability import Backbone, BackboneError, check_suitable
from sa2vp.models.swin import SA2VPSwin
from sa2vp.models.vit import SA2VPViT

__all__ = [
    "FUSIONS",
    "SA2VP",
    "Backbone",
    "BackboneError",
    "SA2VPSwin",
    "SA2VPViT",
    "check_drop_path",
    "check_fusion",
    "create_sa2vp",
    "load_backbone",
]

DROP_PATH = 0.2
"""The published rate of stochastic depth, Swin only."""

SA2VP = SA2VPViT | SA2VPSwin


def create_sa2vp(
    backbone: str | Backbone = "vit-b16",
    checkpoint: str | Path | None = None,
    num_classes: int = 10,
    inter_dim: int = 8,
    inter_weight: float = 0.1,
    fusion: str = "exact",
    dropout: float = 0.1,
    drop_path: float | None = None,
) -> SA2VP:
    """Create SA2VP over a frozen backbone, with freshly initialised learned arrays.

    Args:
        backbone: a name (see :func:`load_backbone`), or a loaded timm ViT or Swin, which is frozen
            and may be shared by several models.
        checkpoint: the backbone's weights, where its name needs a file.
        num_classes: classes C of the shared head.
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: weight of the fusion's output in the stream it adapts.
        fusion: ``exact``, the paper's multi-head attention over the 3x3 neighbours that exist, or
            ``acc``, the authors' accelerated variant, which is another function: one head, and zero
            keys at the border. It was published for ViT alone.
        dropout: rate while training.
        drop_path: rate of stochastic depth in a Swin while training; by default the published 0.2.
            The published ViT has none.

    Raises:
        ValueError: a number out of range or an unknown fusion; :class:`BackboneError` (its
            subclass) where the backbone is the reason.
    """
    check_fusion(fusion)
    if num_classes < 1 or inter_dim < 1:
        raise ValueError(
            f"num_classes and inter_dim must be 1 or more, got {num_classes} and {inter_dim}"
        )
    for name, rate in (("dropout", dropout), ("drop_path", drop_path or 0.0)):
        if not 0 <= rate < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {rate}")
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, checkpoint)
    else:
        check_suitable(backbone, type(backbone).__name__)
    check_fusion(fusion, backbone)
    check_drop_path(drop_path, backbone)
    sizes = {"num_classes": num_classes, "inter_dim": inter_dim}
    if not isinstance(backbone, SwinTransformer):
        return SA2VPViT(
            backbone, **sizes, inter_weight=inter_weight, fusion=fusion, dropout=dropout
        )
    drop_path = DROP_PATH if drop_path is None else drop_path
    return SA2VPSwin(
        backbone, **sizes, inter_weight=inter_weight, dropout=dropout, drop_path=drop_path
    )


def check_fusion(fusion: str, backbone: Backbone | None = None) -> None:
    """Refuse a fusion that is not there, or not for a backbone.

    Raises:
        ValueError: the message names what is.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"unknown fusion {fusion!r}; known: {', '.join(FUSIONS)}")
    if fusion != "exact" and isinstance(backbone, SwinTransformer):
        raise ValueError(f"fusion {fusion!r} was published for ViT alone; a Swin takes 'exact'")


def check_drop_path(drop_path: float | None, backbone: Backbone) -> None:
    """Refuse stochastic depth where the published code has none.

    Raises:
        ValueError: the backbone is a ViT.
    """
    if drop_path and not isinstance(backbone, SwinTransformer):
        raise ValueError("drop_path: SA2VP on a ViT has no stochastic depth; leave it out")
