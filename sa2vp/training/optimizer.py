"""The state of an optimiser as named arrays, to be saved and put back."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import Optimizer

_COUNTER = "step"
"""Optimisers count on the CPU, wherever their other arrays are, unless they are fused."""


def optimizer_arrays(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Name the optimiser's state ``<entry>/<learned array>``; empty before the first step."""
    return {
        f"{entry}/{name}": array
        for name, parameter in model.named_parameters()
        for entry, array in optimizer.state.get(parameter, {}).items()
        if isinstance(array, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: Optimizer, arrays: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimizer_arrays` gave.

    Raises:
        KeyError: an array is of no parameter of the model.
    """
    optimizer.state.clear()
    parameters = dict(model.named_parameters())
    fused = any(group.get("fused") for group in optimizer.param_groups)
    for key, array in arrays.items():
        entry, _, name = key.partition("/")
        parameter = parameters[name]
        placed = array if entry == _COUNTER and not fused else array.to(parameter.device)
        optimizer.state[parameter][entry] = placed
