"""Frozen Linears under autocast: their low-precision copy is made once, not at every call."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_State = tuple[torch.dtype, torch.device, int]
_copies: WeakKeyDictionary[nn.Linear, tuple[_State, Tensor, Tensor | None]] = WeakKeyDictionary()


def computed_dtype(tensor: Tensor) -> torch.dtype:
    """Give the type that a matrix product of this tensor is computed in."""
    device = tensor.device.type
    if torch.is_autocast_enabled(device) and tensor.is_floating_point():
        return torch.get_autocast_dtype(device)
    return tensor.dtype


def frozen_linear(linear: nn.Linear, x: Tensor) -> Tensor:
    """Apply a frozen Linear to ``(..., in)``; gives ``(..., out)``."""
    return F.linear(x, *frozen_parameters(linear, computed_dtype(x)))


def frozen_parameters(linear: nn.Linear, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Give weight and bias in a type, as autocast would convert them.

    Autocast keeps converted copies of parameters that require a gradient only.
    """
    weight, bias = linear.weight, linear.bias
    if weight.dtype == dtype:
        return weight, bias
    state = (dtype, weight.device, weight._version)
    if linear not in _copies or _copies[linear][0] != state:
        with torch.inference_mode(False), torch.no_grad():  # also used by later training steps
            copies = weight.to(dtype), None if bias is None else bias.to(dtype)
        _copies[linear] = (state, *copies)
    return _copies[linear][1:]
