"""AdamW over the learned arrays, with the published code's weight-decay groups."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import AdamW


def build_adamw(model: nn.Module, *, lr: float, weight_decay: float) -> AdamW:
    """Build the optimiser: weight decay on matrices, none on one-dimensional arrays and biases."""
    learned = [p for p in model.parameters() if p.requires_grad]
    return AdamW(
        [
            {"params": [p for p in learned if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=lr,
    )


_MOMENTS = ("exp_avg", "exp_avg_sq")


def adamw_arrays(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Name the optimiser's moments ``<moment>/<learned array>``; empty before the first step."""
    return {
        f"{moment}/{name}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for moment in _MOMENTS
    }


def restore_adamw(
    model: nn.Module, optimizer: AdamW, arrays: Mapping[str, Tensor], step: int
) -> None:
    """Put back what :func:`adamw_arrays` gave after ``step`` optimiser steps."""
    optimizer.state.clear()
    for name, parameter in model.named_parameters():
        if f"{_MOMENTS[0]}/{name}" in arrays:
            optimizer.state[parameter] = {
                "step": torch.tensor(float(step)),
                **{m: arrays[f"{m}/{name}"].to(parameter.device) for m in _MOMENTS},
            }
