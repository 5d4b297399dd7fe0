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

from sa2vp.training.configuration import GPU_ONLY, PRECISIONS

VOLTA, AMPERE = (7, 0), (8, 0)
"""Compute capabilities: the first with matrix units for float16, and for bfloat16 and TF32."""


def choose_precision(asked: str, device: torch.device) -> str:
    """Settle what ``auto`` stands for: what the device's matrix units are made for.

    That is bfloat16 on GPUs from Ampere on, float16 with a scaled loss on Volta and Turing (V100,
    T4), and float32 on older ones and on CPUs.

    Args:
        asked: one of :data:`~sa2vp.training.configuration.PRECISIONS`.
        device: where the model computes.

    Raises:
        ValueError: an unknown name, or the device lacks or only emulates it.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"unknown precision {asked!r}; known: {', '.join(PRECISIONS)}")
    if device.type != "cuda":
        if asked in GPU_ONLY:
            raise ValueError(
                f"precision {asked} needs a GPU, not {device}; take bfloat16 or float32"
            )
        return "float32" if asked == "auto" else asked
    capability = torch.cuda.get_device_capability(device)
    if asked == "auto":
        return (
            "bfloat16" if capability >= AMPERE else "float16" if capability >= VOLTA else "float32"
        )
    if asked in ("bfloat16", "tf32") and capability < AMPERE:
        raise ValueError(
            f"precision {asked} needs a GPU from Ampere on, and "
            f"{torch.cuda.get_device_name(device)} is older; take auto, float16 or float32"
        )
    return asked


def round_products(device: torch.device, *, to_tf32: bool) -> None:
    """Let a GPU round the factors of float32 products to TF32, or not, in this whole process.

    By PyTorch's defaults those of convolutions are rounded, and those of other products are not.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = to_tf32
        torch.backends.cudnn.allow_tf32 = to_tf32


class MixedPrecision:
    """Autocast, and the loss scale that keeps small gradients from vanishing in float16.

    Args:
        name: float32, tf32, bfloat16 or float16, as :func:`choose_precision` gives it.
        device: where the model computes.

    Attributes:
        name: as given.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = name
        self._device_type = device.type
        self._dtype: torch.dtype = getattr(torch, "float32" if name == "tf32" else name)
        round_products(device, to_tf32=name == "tf32")
        self._scaler = GradScaler(device.type, enabled=name == "float16")

    def forward(self, model: Callable[[Tensor], Any], inputs: Tensor) -> Any:
        """Give a model's outputs in float32, in which losses are computed.

        The project's heads compute in float32 themselves.
        """
        lower = self._dtype != torch.float32
        with torch.autocast(self._device_type, self._dtype if lower else None, enabled=lower):
            return in_float32(model(inputs))

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


def in_float32(outputs: Any) -> Any:
    """Convert tensors of 16 bits to float32, also within tuples, lists and dictionaries."""
    if isinstance(outputs, Tensor) and outputs.dtype in (torch.float16, torch.bfloat16):
        return outputs.float()
    if isinstance(outputs, list | tuple) and not hasattr(outputs, "_fields"):
        return type(outputs)(in_float32(one) for one in outputs)
    if isinstance(outputs, dict):
        return {name: in_float32(one) for name, one in outputs.items()}
    return outputs
