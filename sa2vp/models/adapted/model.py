"""A head on a backbone of the model's own, in which something is learned."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sa2vp.models.features import pooled
from sa2vp.models.head import Head
from sa2vp.models.initialisation import TRUNCATED_STD
from sa2vp.models.learned import LearnedArrays


class Adapted(LearnedArrays):
    """One linear head over the features of an adapted backbone.

    Args:
        backbone: as :func:`~sa2vp.models.adapted.structure.own_backbone` gives it, with its learned
            parts. Up to the first of them PyTorch records nothing for a backward pass.
        num_classes: classes C.
    """

    def __init__(self, backbone: Any, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Head(backbone.num_features, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=TRUNCATED_STD)

    def forward(self, images: Tensor) -> Tensor:
        """Classify normalised images ``(B, 3, height, width)``; gives ``(B, C)`` logits."""
        tokens = self.backbone.forward_features(images)
        return self.head(pooled(self.backbone, tokens))  # type: ignore[no-any-return]
