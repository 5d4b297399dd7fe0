"""The global random generators that initial weights, dropout and augmentation draw from."""

from __future__ import annotations

import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed the generators that initial weights and dropout draw from, on every device."""
    torch.manual_seed(seed)


def generator_states() -> dict[str, Tensor]:
    """Read the state of every global generator a run draws from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_generators(states: dict[str, Tensor]) -> None:
    """Set the global generators; those of a device that is not here stay as they are."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
