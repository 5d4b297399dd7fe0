"""Every model of the family on a tiny backbone, for the tests that all of them must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tiny import make_tiny_backbone, make_tiny_swin

from sa2vp.models import SA2VP, create_sa2vp

IMAGE_SIZE = {"vit": 16, "swin": 24}


@dataclass(frozen=True)
class Family:
    """A backbone's kind and a fusion."""

    kind: str
    fusion: str

    def make(self, *, backbone: dict[str, Any] | None = None, **arguments: Any) -> SA2VP:
        """Create the model on a tiny backbone, whose architecture may be overridden."""
        build = make_tiny_swin if self.kind == "swin" else make_tiny_backbone
        return create_sa2vp(build(**(backbone or {})), fusion=self.fusion, **arguments)

    def images(self, count: int, seed: int = 0) -> torch.Tensor:
        """Draw random images of the backbone's size."""
        size = IMAGE_SIZE[self.kind]
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(count, 3, size, size, generator=generator)

    def __str__(self) -> str:
        return f"{self.kind}-{self.fusion}"


FAMILIES = [Family("vit", "exact"), Family("vit", "acc"), Family("swin", "exact")]


def without_randomness(family: Family, **arguments: Any) -> SA2VP:
    """Create a model that computes the same while training as in evaluation."""
    drop_path = {"drop_path": 0.0} if family.kind == "swin" else {}
    return randomised(family.make(dropout=0.0, **drop_path, **arguments))


def randomised(model: SA2VP) -> SA2VP:
    """Move every learned array away from its small initial value, so that each one matters."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model
