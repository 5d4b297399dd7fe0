"""The learning rate of each optimiser step."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARMUP_FRACTION = 0.1
"""The published runs warm up for 10 of 100 epochs; shorter and longer runs keep the share."""


@dataclass(frozen=True, slots=True)
class WarmupCosine:
    """Linear from 0 to the peak over the warm-up, then a half cosine down to the final rate.

    Attributes:
        peak_lr: reached at the first step after the warm-up.
        total_steps: optimiser steps of the whole run.
        final_lr: approached after the last step.
        warmup_steps: below the total; None is a tenth of it.
    """

    peak_lr: float
    total_steps: int
    final_lr: float = 1e-7
    warmup_steps: float | None = None

    def lr(self, step: int) -> float:
        """Give the learning rate of a step, counted from 0."""
        warmup_steps = self.warmup_steps
        if warmup_steps is None:
            warmup_steps = WARMUP_FRACTION * self.total_steps
        if step < warmup_steps:
            return self.peak_lr * step / warmup_steps
        progress = (step - warmup_steps) / (self.total_steps - warmup_steps)
        above = (self.peak_lr - self.final_lr) * (1 + math.cos(math.pi * progress)) / 2
        return self.final_lr + above
