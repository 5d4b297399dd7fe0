"""The optimiser's state, where a GPU's kernels want it; a meta device stands for the GPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from sa2vp.methods.optimizers import build_adamw
from sa2vp.training.optimizer import optimizer_arrays, restore_optimizer


@pytest.mark.parametrize(("fused", "counted_on"), [(True, "meta"), (False, "cpu")])
def test_a_fused_optimiser_counts_on_its_device(fused: bool, counted_on: str) -> None:
    there = nn.Linear(2, 2, device="meta")
    optimizer = AdamW(there.parameters())
    optimizer.param_groups[0]["fused"] = fused  # which PyTorch refuses without a GPU
    arrays = {"step/weight": torch.tensor(3.0), "exp_avg/weight": torch.zeros(2, 2)}
    restore_optimizer(there, optimizer, arrays)
    state = optimizer.state[there.weight]
    assert (state["step"].device.type, state["exp_avg"].device.type) == (counted_on, "meta")


def test_a_cpu_updates_array_by_array_as_before() -> None:
    linear = nn.Linear(2, 2)
    optimizer = build_adamw(linear, lr=0.1, weight_decay=0.0)
    assert not optimizer.param_groups[0]["fused"]
    linear(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    arrays = optimizer_arrays(linear, optimizer)
    assert arrays["step/weight"].item() == 1
    assert arrays["step/weight"].device.type == "cpu"
