"""The baselines: a linear head, or a small network, on the frozen backbone's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sa2vp.models.features import pooled
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
        """Give the features of normalised images ``(B, 3, height, width)``, ``(B, D)``."""
        return pooled(self.backbone, self.backbone.forward_features(images))

    def forward(self, inputs: Tensor) -> Tensor:
        """Classify normalised images, or features ``(B, D)`` of them; gives ``(B, C)`` logits."""
        return self.classify(inputs if inputs.ndim == 2 else self.features(inputs))

    def classify(self, features: Tensor) -> Tensor:
        """Classify features ``(B, D)``; gives ``(B, C)`` logits."""
        return self.head(features)  # type: ignore[no-any-return]


class MlpProbe(LinearProbe):
    """The same with two hidden layers before the head, as the published VPT's code has them.

    Each is a Linear as wide as the features, ReLU, BatchNorm and dropout. A BatchNorm sees what is
    computed at once: in training, a micro-batch of one image is refused by PyTorch, and gradients
    depend on where a batch is cut.

    Args:
        backbone: frozen here; may be shared by several models.
        num_classes: classes C.
        dropout: rate in training.
    """

    def __init__(self, backbone: Backbone, num_classes: int, dropout: float) -> None:
        super().__init__(backbone, num_classes)
        dim = backbone.num_features
        layers: list[nn.Module] = []
        for _ in range(2):
            linear = nn.Linear(dim, dim)
            nn.init.kaiming_normal_(linear.weight, mode="fan_out")
            layers += [linear, nn.ReLU(), nn.BatchNorm1d(dim), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers)

    def classify(self, features: Tensor) -> Tensor:
        """Classify features ``(B, D)``; gives ``(B, C)`` logits."""
        return super().classify(self.hidden(features))
