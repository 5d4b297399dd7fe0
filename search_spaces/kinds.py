"""The words that search spaces are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HYPERPARAMETERS = ("inter_dim", "inter_weight", "lr", "batch_size")
"""What is searched, by the names in the authors' README."""

MAX_COUNT = 1_000_000
"""Of anything that is counted, such as trials, epochs or the images of a batch: beyond all use."""

MAX_DIM = 10_000
"""Of inter_dim; the paper's largest is 64."""

WHOLE = {"inter_dim": MAX_DIM, "batch_size": MAX_COUNT}
"""Hyperparameters that are whole numbers, and the largest of each."""


@dataclass(frozen=True, init=False)
class Choice:
    """One of the values listed, as in ``Choice(8, 16, 32)``."""

    values: tuple[float, ...]

    def __init__(self, *values: float) -> None:
        if not values or len(set(values)) < len(values):
            raise ValueError(f"a choice needs different values, got {values}")
        object.__setattr__(self, "values", values)

    def __contains__(self, value: float) -> bool:
        """Tell whether the value can be drawn."""
        return value in self.values


@dataclass(frozen=True)
class LogUniform:
    """A number between two bounds, both included, each factor as likely as any other."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse bounds that no logarithm or no number fits."""
        if not 0 < self.low < self.high:
            raise ValueError(f"bounds must satisfy 0 < low < high, got {self.low} and {self.high}")

    def __contains__(self, value: float) -> bool:
        """Tell whether the value can be drawn."""
        return self.low <= value <= self.high


Range = Choice | LogUniform


@dataclass(frozen=True)
class TaskSpace:
    """What is searched for one task.

    Attributes:
        ranges: by the hyperparameter's name in the authors' README.
        first: the setting tried first, inside the ranges.
    """

    ranges: Mapping[str, Range]
    first: Mapping[str, float]

    def __post_init__(self) -> None:
        """Refuse a first setting that the ranges do not contain."""
        if self.first.keys() != self.ranges.keys():
            raise ValueError(f"first sets {set(self.first)}, the ranges {set(self.ranges)}")
        for name, value in self.first.items():
            if value not in self.ranges[name]:
                raise ValueError(f"first has {name}={value}, outside {self.ranges[name]}")
