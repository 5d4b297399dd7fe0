"""The baseline: a linear head on the frozen backbone's features."""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from sa2vp.models.head import Head
from sa2vp.models.initialisation import TRUNCATED_STD
from sa2vp.models.learned import LearnedArrays
from sa2vp.models.suitability import Backbone


class LinearProbe(LearnedArrays):
    """One linear head over the features that the published SA2VP reads, without its streams.

    Args:
        backbone: frozen here; may be shared by several models.
        num_classes: classes C.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = Head(backbone.num_features, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=TRUNCATED_STD)

    def train(self, mode: bool = True) -> LinearProbe:
        """Switch the head; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Give the features of normalised images ``(B, 3, height, width)``, ``(B, D)``.

        They are the class token of a ViT, and the mean over the tokens of a Swin.
        """
        tokens: Tensor = self.backbone.forward_features(images)
        if isinstance(self.backbone, SwinTransformer):
            return tokens.flatten(1, -2).mean(1)
        return tokens[:, 0]

    def forward(self, inputs: Tensor) -> Tensor:
        """Classify normalised images, or features ``(B, D)`` of them; gives ``(B, C)`` logits."""
        return self.head(inputs if inputs.ndim == 2 else self.features(inputs))  # type: ignore[no-any-return]
