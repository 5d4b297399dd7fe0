"""SA2VP models over frozen backbones."""

from __future__ import annotations

from pathlib import Path

from timm.models.vision_transformer import VisionTransformer

from sa2vp.models.backbones import BackboneError, check_suitable, load_backbone
from sa2vp.models.vit import SA2VPViT

__all__ = ["FUSIONS", "BackboneError", "SA2VPViT", "create_sa2vp", "load_backbone"]

FUSIONS = ("exact",)
"""``exact`` is the paper's multi-head fusion over the 3x3 neighbours that exist."""


def create_sa2vp(
    backbone: str | VisionTransformer = "vit-b16",
    checkpoint: str | Path | None = None,
    num_classes: int = 10,
    inter_dim: int = 8,
    inter_weight: float = 0.1,
    fusion: str = "exact",
    dropout: float = 0.1,
) -> SA2VPViT:
    """Create SA2VP over a frozen backbone, with freshly initialised learned arrays.

    Args:
        backbone: a name (see :func:`load_backbone`), or a loaded timm ViT, which is frozen and
            may be shared by several models.
        checkpoint: the backbone's weights, where its name needs a file.
        num_classes: classes C of the shared head.
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: weight of the fusion's output in the stream it adapts.
        fusion: one of :data:`FUSIONS`.
        dropout: rate while training.

    Raises:
        ValueError: a number out of range or an unknown fusion; :class:`BackboneError` (its
            subclass) where the backbone is the reason.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"unknown fusion {fusion!r}; known: {', '.join(FUSIONS)}")
    if num_classes < 1 or inter_dim < 1:
        raise ValueError(
            f"num_classes and inter_dim must be 1 or more, got {num_classes} and {inter_dim}"
        )
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, checkpoint)
    else:
        check_suitable(backbone, type(backbone).__name__)
    return SA2VPViT(
        backbone,
        num_classes=num_classes,
        inter_dim=inter_dim,
        inter_weight=inter_weight,
        dropout=dropout,
    )
