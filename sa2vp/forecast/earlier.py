"""What another task's trials tell of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sa2vp.forecast.cube import Cube
from sa2vp.forecast.curves import Array, Points
from sa2vp.forecast.process import PRIORS, CurveProcess, Places
from sa2vp.forecast.threads import one_thread
from search_spaces import Range

COMPARED = 512
"""Configurations over which the other task's mean is taken."""


class EarlierTask:
    """Another task's trials, as a guess of what configurations reach on a task.

    Args:
        ranges: that it was searched in.
        configurations: of the trials.
        curves: of them: top-1 of each epoch done, in percent; of a finished training its last will
            do, where ``epochs`` is 1.
        epochs: of a whole training.
        images: of its validation split.
    """

    def __init__(
        self,
        ranges: Mapping[str, Range],
        configurations: Sequence[Mapping[str, Any]],
        curves: Sequence[Sequence[float]],
        epochs: int,
        images: int,
    ) -> None:
        self.names = set(ranges)
        self._cube = Cube(ranges)
        points = Points.of(curves, epochs, images)
        with one_thread():
            self._process = CurveProcess(self._places(configurations), points, PRIORS)
        everywhere = self._cube.draw(np.random.default_rng(0), COMPARED)
        self._expected: dict[object, float] = {}
        self._mean = float(self._process.mean(self._places(everywhere)).mean())

    def expect(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        """Give what configurations reach there, ``(N,)``, in logits about the space's mean."""
        return self._process.mean(self._places(configurations)) - self._mean

    def expect_again(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        """Give the same, and keep it: for configurations that will be asked for again."""
        keys = [tuple(one.items()) for one in configurations]
        unknown = {
            key: one
            for key, one in zip(keys, configurations, strict=True)
            if key not in self._expected
        }
        if unknown:
            found = self.expect([*unknown.values()]).tolist()
            self._expected.update(zip(unknown, found, strict=True))
        return np.array([self._expected[key] for key in keys])

    def _places(self, configurations: Sequence[Mapping[str, Any]]) -> Places:
        return Places(self._cube.of(configurations), np.zeros((len(configurations), 0)))
