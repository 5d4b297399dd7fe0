"""The numbers that determine a run, checked before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

MAX_SEED = 2**63 - 1

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""What a run can be asked to compute in; ``auto`` leaves it to the device."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How a run trains, whatever its model.

    Attributes:
        lr: peak learning rate of AdamW.
        batch_size: images per optimiser step.
        weight_decay: on matrices only.
        epochs: passes over the training split; the schedule spans all of them.
        seed: of the initial weights, the order of images and the dropout.
    """

    lr: float
    batch_size: int
    weight_decay: float = 1e-4
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can be made of.

        Raises:
            ValueError: names the field, the value and what is allowed.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                continue  # a name, known to those who read it
            if not math.isfinite(value):
                raise ValueError(f"{field.name} must be finite, got {value}")
            if field.name in ("inter_dim", "batch_size", "epochs") and value < 1:
                raise ValueError(f"{field.name} must be 1 or more, got {value}")
            if field.name == "lr" and value <= 0:
                raise ValueError(f"{field.name} must be above 0, got {value}")
            if field.name in ("inter_weight", "weight_decay") and value < 0:
                raise ValueError(f"{field.name} must be 0 or more, got {value}")
            if field.name == "dropout" and not 0 <= value < 1:
                raise ValueError(f"{field.name} must be at least 0 and below 1, got {value}")
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed must be from 0 to {MAX_SEED}, got {self.seed}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SA2VPSettings(RunSettings):
    """How a run of SA2VP trains.

    Attributes:
        inter_dim: channels of the prompts and of the fusion's bottleneck.
        inter_weight: weight of the fusion's output.
        dropout: rate while training.
        fusion: a name in :data:`~sa2vp.models.attention.FUSIONS`.
    """

    inter_dim: int
    inter_weight: float
    dropout: float = 0.1
    fusion: str = "exact"
