"""The ranges of the paper's benchmarks: around the README's values, and beyond them."""

from __future__ import annotations

from search_spaces.kinds import Choice, LogUniform, Range

INTER_DIM = Choice(4, 8, 16, 32, 64)
INTER_WEIGHT = LogUniform(0.05, 2.0)
LR = LogUniform(1e-4, 5e-3)


def ranges(*batch_sizes: int) -> dict[str, Range]:
    """Give the ranges, with the batch sizes of one of the README's tables."""
    return {
        "inter_dim": INTER_DIM,
        "inter_weight": INTER_WEIGHT,
        "lr": LR,
        "batch_size": Choice(*batch_sizes),
    }
