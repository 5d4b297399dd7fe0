"""The global random generators that initial weights, dropout and augmentation draw from."""

from __future__ import annotations

import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed the generators that initial weights and dropout draw from, on every device."""
    torch.manual_seed(seed)


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Read the state of every global generator that a run on a device draws from.

    CUDA is asked for a run on a GPU alone: its first answer opens a context, which takes hundreds
    of megabytes of the GPU.
    """
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_generators(states: dict[str, Tensor], device: torch.device) -> None:
    """Set the global generators; those that a run on this device does not draw from stay."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
