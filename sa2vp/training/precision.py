"""The number format of the forward pass, and the loss scale that float16 needs.

The learned arrays, their gradients and the optimiser stay in float32 whatever the format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from sa2vp.training.configuration import PRECISIONS


def choose_precision(asked: str, device: torch.device) -> str:
    """Settle what ``auto`` stands for: bfloat16 on a GPU that computes in it, else float32.

    Raises:
        ValueError: an unknown name, or float16 without a GPU.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"unknown precision {asked!r}; known: {', '.join(PRECISIONS)}")
    if asked == "float16" and device.type != "cuda":
        raise ValueError(f"precision float16 needs a GPU, not {device}; take bfloat16 or float32")
    if asked != "auto":
        return asked
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


class MixedPrecision:
    """Autocast, and the loss scale that keeps small gradients from vanishing in float16.

    Args:
        name: float32, bfloat16 or float16, as :func:`choose_precision` gives it.
        device: where the model computes.

    Attributes:
        name: as given.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = name
        self._device_type = device.type
        self._dtype: torch.dtype = getattr(torch, name)
        self._scaler = GradScaler(device.type, enabled=name == "float16")

    def forward(self, model: Callable[[Tensor], Any], inputs: Tensor) -> Any:
        """Give a model's outputs; a head keeps logits in float32."""
        lower = self._dtype != torch.float32
        with torch.autocast(self._device_type, self._dtype if lower else None, enabled=lower):
            return model(inputs)

    def backward(self, loss: Tensor) -> None:
        """Add a loss's gradients, scaled where the format needs it."""
        self._scaler.scale(loss).backward()

    def step(self, optimizer: Optimizer, largest_norm: float | None = None) -> None:
        """Take the optimiser's step; where a scaled gradient overflows, skip it and scale less.

        Args:
            optimizer: of arrays with gradients.
            largest_norm: of all gradients together, which are scaled down to it; None leaves them.
        """
        if largest_norm is not None:
            self._scaler.unscale_(optimizer)
            learned = [array for group in optimizer.param_groups for array in group["params"]]
            nn.utils.clip_grad_norm_(learned, largest_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def counts(self, loss: float) -> bool:
        """Tell whether a step's loss counts: not if it overflowed, and its step was skipped."""
        return not self._scaler.is_enabled() or math.isfinite(loss)

    def state(self) -> dict[str, float]:
        """Give the loss scale and what it depends on; empty where there is none."""
        return dict(self._scaler.state_dict())

    def restore(self, state: Mapping[str, float]) -> None:
        """Put back what :meth:`state` gave."""
        if state:
            self._scaler.load_state_dict(dict(state))
