"""The baseline: a linear head on the frozen backbone's features."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from sa2vp.models.head import Head
from sa2vp.models.initialisation import TRUNCATED_STD
from sa2vp.models.learned import LearnedArrays


class LinearProbe(LearnedArrays):
    """One linear head over features that were computed once.

    Args:
        dim: channels D of the features.
        num_classes: classes C.
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.head = Head(dim, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=TRUNCATED_STD)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Classify ``(B, D)`` features; the logits stand for both streams, which are one here."""
        logits = self.head(features)
        return logits, logits


@torch.no_grad()
def class_token_features(
    backbone: VisionTransformer, images: Tensor, batch_size: int = 256
) -> Tensor:
    """Give the backbone's class tokens after its final norm.

    Args:
        backbone: frozen, in evaluation mode.
        images: normalised, ``(N, 3, height, width)``.
        batch_size: images per forward pass.

    Returns:
        ``(N, D)``.
    """
    batches = (backbone.forward_features(batch)[:, 0] for batch in images.split(batch_size))
    return torch.cat(list(batches))
