"""How sure a difference is, given the seeds and the test images that were at hand.

A run's predictions on ``N`` test images enter as a row of a boolean array ``(S, N)``: whether each
was right, for each of ``S`` seeds. All draws come from a seeded generator: the same results give
the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEVEL = 0.95

Correct = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds a value with some confidence, in the unit of the value."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def top1_interval(correct: Correct, level: float = LEVEL, draws: int = DRAWS) -> Interval:
    """Bootstrap the mean top-1 of several seeds, in percent, over seeds and test images.

    In each draw the images are drawn again with replacement, the same ones for all seeds, and so
    are the seeds. With one seed, what another one would give is not in the interval.

    Args:
        correct: ``(S, N)``.
        level: of the interval between two quantiles of the draws.
        draws: how many.

    Raises:
        ValueError: there is no run or no image.
    """
    seeds, images = correct.shape
    if seeds == 0 or images == 0:
        raise ValueError(f"an interval needs seeds and images, got {seeds} and {images}")
    rng = np.random.default_rng(0)
    # Images on which the seeds agree alike are one kind: drawing images is drawing their numbers.
    kinds, counts = np.unique(correct, axis=1, return_counts=True)  # (S, K), (K,)
    drawn = rng.multinomial(images, counts / images, size=draws)  # (draws, K)
    chosen = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)  # (draws, S)
    top1 = 100 * np.einsum("ds,sk,dk->d", chosen, kinds, drawn, optimize=True) / (seeds * images)
    low, high = np.quantile(top1, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def paired_p_value(one: Correct, other: Correct, draws: int = DRAWS) -> float:
    """Test whether two methods differ on the same test images, two-sided.

    Under the null hypothesis it does not matter which method an image's results come from: the sign
    of each image's difference, a mean over the seeds, is as likely either way. With a seed each,
    this is McNemar's test.

    Args:
        one: ``(S, N)`` of a method.
        other: ``(S', N)`` of the other, the images in the same order.
        draws: of the signs.

    Returns:
        The share of draws, the observed one included, with at least the observed difference.

    Raises:
        ValueError: the numbers of images differ.
    """
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"{one.shape[1]} and {other.shape[1]} images cannot be paired")
    # In whole numbers, so that equal differences are equal.
    difference = len(other) * one.sum(0).astype(int) - len(one) * other.sum(0).astype(int)
    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    rng = np.random.default_rng(0)
    positive = rng.binomial(counts, 0.5, size=(draws, len(counts)))
    sums = np.abs((2 * positive - counts) @ sizes)
    return float((1 + (sums >= abs(difference.sum())).sum()) / (1 + draws))
