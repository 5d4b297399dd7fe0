"""The words that search spaces are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

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

    def described(self) -> list[float]:
        """Give it as JSON and TOML write it."""
        return list(self.values)


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

    def described(self) -> dict[str, float]:
        """Give it as JSON and TOML write it."""
        return {"low": self.low, "high": self.high}


Range = Choice | LogUniform


Configuration = Mapping[str, float]
"""A value for each hyperparameter, by name."""


@dataclass(frozen=True)
class TaskSpace:
    """What is searched for one task.

    Attributes:
        ranges: by the hyperparameter's name in the authors' README.
        initial: the configurations tried first, in this order; each lies inside the ranges.
    """

    ranges: Mapping[str, Range]
    initial: tuple[Configuration, ...]

    def __post_init__(self) -> None:
        """Refuse an initial configuration that the ranges do not contain."""
        for configuration in self.initial:
            if configuration.keys() != self.ranges.keys():
                raise ValueError(
                    f"initial sets {', '.join(configuration)}, the ranges {', '.join(self.ranges)}"
                )
            for name, value in configuration.items():
                if value not in self.ranges[name]:
                    raise ValueError(f"initial has {name}={value}, outside {self.ranges[name]}")

    def described(self) -> dict[str, Any]:
        """Give it as JSON writes it, in the words of a user's own file of spaces."""
        ranges = {name: one.described() for name, one in self.ranges.items()}
        return {**ranges, "initial": [dict(one) for one in self.initial]}


def initial(**values: float | tuple[float, ...]) -> tuple[Configuration, ...]:
    """Write initial configurations as the README does: where it gives several values, all of them.

    Args:
        values: by hyperparameter; a tuple stands for each of its values in turn.

    Returns:
        Every combination, the first values of all tuples first.
    """
    each = (value if isinstance(value, tuple) else (value,) for value in values.values())
    return tuple(dict(zip(values, combination, strict=True)) for combination in product(*each))
