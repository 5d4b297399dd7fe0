"""Which of the best configurations is trained once more, before one of them is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.stats import norm

from sa2vp.forecast.curves import logits_of
from sa2vp.forecast.process import PRIORS

DOUBTFUL = 0.1
"""The race is over when no other configuration has at least this chance to be the better one."""

REPEATED = math.hypot(PRIORS.seed[0], PRIORS.epoch)
"""How much two trainings of a configuration differ, in binomial deviations of the split.

All of them are validated on the same images, whose choice they have in common.
"""


@dataclass(frozen=True)
class Racer:
    """A configuration in the race.

    Attributes:
        top1: of its trial and of each completed repeat, in percent.
        under_way: number of its repeats that are.
        failed: number of its repeats that did.
    """

    top1: Sequence[float]
    under_way: int = 0
    failed: int = 0

    @property
    def trainings(self) -> int:
        """Count those that tell something, or will."""
        return len(self.top1) + self.under_way


def next_to_repeat(racers: Sequence[Racer], leader: int, images: int) -> int | None:
    """Say which configuration is trained with a further seed.

    It is the leader, or the challenger that is the likeliest to be better: the one that was trained
    less often. Repeats under way count as trained, with the accuracy that was seen so far.

    Args:
        racers: a task's configurations.
        leader: index of the one that would be chosen now.
        images: of the validation split.

    Returns:
        Its index; None once no challenger has a chance of ``DOUBTFUL``.
    """
    chances = [
        chance_to_beat(one, racers[leader], images) if index != leader else 0.0
        for index, one in enumerate(racers)
    ]
    challenger = int(np.argmax(chances))
    if chances[challenger] < DOUBTFUL:
        return None
    return min(challenger, leader, key=lambda index: racers[index].trainings)


def chance_to_beat(one: Racer, other: Racer, images: int) -> float:
    """Give the probability that a configuration is better than another, on these images.

    A configuration of which more repeats failed is never chosen before one with fewer.

    Args:
        one: a configuration.
        other: another one.
        images: of the validation split.
    """
    if one.failed > other.failed:
        return 0.0
    means = np.array([fmean(racer.top1) for racer in (one, other)])
    logits, variances = logits_of(means, images)
    variances *= REPEATED**2 / np.array([one.trainings, other.trainings])
    return float(norm.cdf((logits[0] - logits[1]) / math.sqrt(variances.sum())))
