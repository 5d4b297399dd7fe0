"""What is known of a task's trials, on the scale that the model works on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

State = Literal["running", "stopped", "completed", "failed"]

HALVINGS = 4
"""Of a trial's epochs the model sees the last, and those at a half, a quarter … of a training."""


@dataclass(frozen=True)
class Trial:
    """A trial of a task.

    Attributes:
        number: within the task.
        configuration: value of each hyperparameter that is searched.
        accuracies: validation top-1 of each epoch done, in percent.
        state: a stopped one may go on.
    """

    number: int
    configuration: Mapping[str, Any]
    accuracies: Sequence[float]
    state: State


@dataclass(frozen=True)
class Points:
    """Accuracies of several trials, N in all.

    Attributes:
        trial: index of the trial of each, ``(N,)``.
        left: ``log(E / epoch)`` of each, of E epochs that a training has: 0 at its end.
        logits: of each accuracy.
        variances: of each logit, had the validation images been drawn anew (binomial).
    """

    trial: NDArray[np.intp]
    left: Array
    logits: Array
    variances: Array

    @classmethod
    def of(cls, curves: Sequence[Sequence[float]], epochs: int, images: int) -> Points:
        """Take the epochs that tell most of each curve.

        Args:
            curves: of trials, in percent; one without epochs adds no point.
            epochs: E, of a whole training.
            images: of the validation split.
        """
        told = {max(1, round(epochs / 2**halving)) for halving in range(HALVINGS)}
        trial: list[int] = []
        epoch: list[int] = []
        for index, curve in enumerate(curves):
            seen = sorted(e for e in told | {len(curve)} if 0 < e <= len(curve))
            trial += [index] * len(seen)
            epoch += seen
        top1 = np.array([curves[i][e - 1] for i, e in zip(trial, epoch, strict=True)], dtype=float)
        left = np.log(epochs / np.array(epoch, dtype=float))
        return cls(np.array(trial, dtype=np.intp), left, *logits_of(top1, images))


def logits_of(top1: Array, images: int) -> tuple[Array, Array]:
    """Give logits of accuracies in percent, and their binomial variances.

    Half an image counts as right and half a one as wrong beside the others, so that no logit is
    infinite.
    """
    share = (top1 / 100 * images + 0.5) / (images + 1)
    return np.log(share / (1 - share)), _variances(share, images)


def variances_at(logits: Array, images: int) -> Array:
    """Give the binomial variances of accuracies that lie at these logits."""
    return _variances(1 / (1 + np.exp(-logits)), images)


def _variances(share: Array, images: int) -> Array:
    variances: Array = 1 / ((images + 1) * share * (1 - share))
    return variances


def percent_of(logit: float) -> float:
    """Give the accuracy of a logit, in percent."""
    return 100 / (1 + math.exp(-logit))
