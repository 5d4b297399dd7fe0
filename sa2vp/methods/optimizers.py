"""Optimisers of a model's learned arrays."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW


def build_adamw(model: nn.Module, *, lr: float, weight_decay: float) -> AdamW:
    """Build AdamW as published: weight decay on matrices, none on one-dimensional arrays."""
    learned = [p for p in model.parameters() if p.requires_grad]
    return AdamW(
        [
            {"params": [p for p in learned if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=lr,
    )
