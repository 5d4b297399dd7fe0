"""A frozen backbone, and a network beside it whose features are mixed with its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import alexnet

from sa2vp.models.adapted.model import Adapted
from sa2vp.models.features import pooled

SIDE_CHANNELS = 9_216
"""Of AlexNet's pooled features: 256 channels of 6x6."""

SMALLEST = 64
"""Pixels a side that images are enlarged to: AlexNet's poolings leave nothing of smaller ones."""


class SideTuned(Adapted):
    """A mean of two features: the frozen backbone's, and AlexNet's after a learned projection.

    Args:
        backbone: as :func:`~sa2vp.models.adapted.structure.own_backbone` gives it, all frozen.
        num_classes: classes C.
    """

    def __init__(self, backbone: Any, num_classes: int) -> None:
        super().__init__(backbone, num_classes)
        self.side = _convolutions().to_empty(device="cpu")
        for layer in self.side:
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
        self.projection = nn.Linear(SIDE_CHANNELS, backbone.num_features, bias=False)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """Classify normalised images ``(B, 3, height, width)``; gives ``(B, C)`` logits."""
        features = pooled(self.backbone, self.backbone.forward_features(images))
        share = self.alpha.sigmoid()
        mixed = share * features + (1 - share) * self.projection(self._side(images))
        return self.head(mixed)  # type: ignore[no-any-return]

    def _side(self, images: Tensor) -> Tensor:
        """Give AlexNet's features ``(B, 9216)``."""
        if min(images.shape[2:]) < SMALLEST:
            images = F.interpolate(images, (SMALLEST, SMALLEST), mode="bilinear", antialias=True)
        maps = F.adaptive_avg_pool2d(self.side(images), 6)
        return maps.flatten(1)


def read_side(path: Path) -> dict[str, Tensor]:
    """Read AlexNet's convolutions from torchvision's file, by their names in :class:`SideTuned`.

    Raises:
        ValueError: it cannot be read, or holds something else; the message says so.
    """
    try:
        arrays = torch.load(path, map_location="cpu", weights_only=True)
        names = _convolutions().state_dict()
        return {f"side.{name}": arrays[f"features.{name}"] for name in names}
    except Exception as error:  # damaged files end in many kinds of errors
        raise ValueError(f"{path}: not torchvision's AlexNet ({type(error).__name__})") from error


def _convolutions() -> nn.Sequential:
    """Make AlexNet's layers before its classifier, which is 24 times as large; without memory."""
    with torch.device("meta"):
        features: nn.Sequential = alexnet(weights=None).features
        return features
