"""Optimisers of a model's learned arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

MOMENTUM = 0.9
"""Of the published VPT's SGD."""


def build_adamw(model: nn.Module, *, lr: float, weight_decay: float) -> AdamW:
    """Build AdamW as published: weight decay on matrices, none on one-dimensional arrays.

    On a GPU all arrays are updated in one kernel.
    """
    groups = _groups(model, weight_decay)
    on_gpu = all(array.is_cuda for group in groups for array in group["params"])
    return AdamW(groups, lr=lr, fused=on_gpu or None)


def build_sgd(model: nn.Module, *, lr: float, weight_decay: float) -> SGD:
    """Build SGD with the published VPT's momentum; weight decay as :func:`build_adamw` has it."""
    return SGD(_groups(model, weight_decay), lr=lr, momentum=MOMENTUM)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    learned = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learned if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
    ]


OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {"adamw": build_adamw, "sgd": build_sgd}
"""By name, as :attr:`sa2vp.methods.base.Method.optimizer` has it."""
