"""The three published models, of their own size, on weights that need no file."""

from __future__ import annotations

from dataclasses import dataclass

import timm
import torch
from torch import Tensor

from sa2vp.models import create_sa2vp
from sa2vp.models import plain as plain_algorithm
from sa2vp.models.objective import sa2vp_loss
from sa2vp.models.streams import TwoStreams
from sa2vp.training.precision import MixedPrecision

CLASSES, INTER_DIM = 10, 8


@dataclass(frozen=True, slots=True)
class Published:
    """A published model.

    Attributes:
        name: for the reader.
        architecture: of its backbone, as timm knows it.
        fusion: ``exact`` or ``acc``.
    """

    name: str
    architecture: str
    fusion: str

    def make(self, device: torch.device, dropout: float = 0.0) -> TwoStreams:
        """Make it in training mode, the same weights every time, without stochastic depth."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone = timm.create_model(self.architecture, num_classes=0)
            model = create_sa2vp(
                backbone,
                num_classes=CLASSES,
                inter_dim=INTER_DIM,
                inter_weight=0.5,
                fusion=self.fusion,
                dropout=dropout,
                drop_path=0.0,
            )
            # As they begin, the fusions add next to nothing.
            for name, array in model.named_parameters():
                if array.requires_grad and name.startswith("fusion"):
                    torch.nn.init.normal_(array, mean=float(".norm.weight" in name), std=0.05)
        return model.to(device).train()

    def loss(
        self,
        model: TwoStreams,
        images: Tensor,
        targets: Tensor,
        precision: MixedPrecision,
        *,
        plain: bool = False,
    ) -> Tensor:
        """Compute the training loss, by the shortcuts or by the plain algorithm."""

        def forward(given: Tensor) -> tuple[Tensor, Tensor]:
            if plain:
                return plain_algorithm.forward(model, given, self.fusion)
            logits: tuple[Tensor, Tensor] = model(given)
            return logits

        return sa2vp_loss(precision.forward(forward, images), targets)


MODELS = (
    Published("ViT-B/16 exact", "vit_base_patch16_224", "exact"),
    Published("ViT-B/16 acc", "vit_base_patch16_224", "acc"),
    Published("Swin-B", "swin_base_patch4_window7_224", "exact"),
)


def batch(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Draw the images and classes that every model is given."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, 224, 224, generator=generator)
    return images.to(device), (torch.arange(count) % CLASSES).to(device)


def gradients(model: TwoStreams) -> Tensor:
    """Give the gradients of all learned arrays as one vector, float32 on the CPU."""
    learned = [p for p in model.parameters() if p.requires_grad and p.grad is not None]
    return torch.cat([p.grad.flatten().float().cpu() for p in learned if p.grad is not None])
