"""AdamW over the learned arrays, with the published code's weight-decay groups."""

from __future__ import annotations

from collections.abc import Mapping

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


_STATE = ("step", "exp_avg", "exp_avg_sq")


def adamw_arrays(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Name the optimiser's state ``<entry>/<learned array>``; empty before the first step."""
    return {
        f"{entry}/{name}": optimizer.state[parameter][entry]
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for entry in _STATE
    }


def restore_adamw(model: nn.Module, optimizer: AdamW, arrays: Mapping[str, Tensor]) -> None:
    """Put back what :func:`adamw_arrays` gave."""
    optimizer.state.clear()
    for name, parameter in model.named_parameters():
        if f"step/{name}" in arrays:
            step, *moments = (arrays[f"{entry}/{name}"] for entry in _STATE)
            # AdamW counts on the CPU, wherever its moments are.
            optimizer.state[parameter] = {"step": step} | dict(
                zip(_STATE[1:], (moment.to(parameter.device) for moment in moments), strict=True)
            )
