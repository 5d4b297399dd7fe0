"""The words that search spaces are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

MAX_COUNT = 1_000_000
"""Of anything that is counted, such as trials, epochs or the images of a batch: beyond all use."""

Value = bool | int | float | str | None
"""Of a hyperparameter. None is left to whoever reads it, and is never searched."""


@dataclass(frozen=True, init=False)
class Choice:
    """One of the values listed, as in ``Choice(8, 16, 32)``."""

    values: tuple[Value, ...]

    def __init__(self, *values: Value) -> None:
        if not values or len(set(values)) < len(values):
            raise ValueError(f"a choice needs different values, got {values}")
        object.__setattr__(self, "values", values)

    def __contains__(self, value: Value) -> bool:
        """Tell whether the value can be drawn."""
        return value in self.values

    @property
    def ends(self) -> tuple[Value, ...]:
        """Give the lowest and the highest value, or all where they have no order."""
        numbers = [value for value in self.values if isinstance(value, int | float)]
        if len(numbers) < len(self.values):
            return self.values
        return (min(numbers), max(numbers))

    @property
    def described(self) -> list[Value]:
        """Give the values, as JSON has them."""
        return list(self.values)


@dataclass(frozen=True)
class _Between:
    """A number between two bounds, both included."""

    low: float
    high: float

    def __contains__(self, value: Value) -> bool:
        """Tell whether the value can be drawn."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def ends(self) -> tuple[Value, ...]:
        """Give both bounds."""
        return (self.low, self.high)

    @property
    def described(self) -> dict[str, Value]:
        """Give the bounds and the scale, as JSON has them."""
        return {"low": self.low, "high": self.high, "log": isinstance(self, LogUniform)}


@dataclass(frozen=True)
class LogUniform(_Between):
    """A number between two bounds, both included, each factor as likely as any other."""

    def __post_init__(self) -> None:
        """Refuse bounds that no logarithm or no number fits."""
        if not 0 < self.low < self.high:
            raise ValueError(f"bounds must satisfy 0 < low < high, got {self.low} and {self.high}")


@dataclass(frozen=True)
class Uniform(_Between):
    """A number between two bounds, both included, each as likely as any other."""

    def __post_init__(self) -> None:
        """Refuse bounds that no number fits."""
        if not self.low < self.high:
            raise ValueError(f"bounds must satisfy low < high, got {self.low} and {self.high}")


Range = Choice | LogUniform | Uniform


Configuration = Mapping[str, Value]
"""A value for each hyperparameter, by name."""


@dataclass(frozen=True)
class TaskSpace:
    """What is searched for one task.

    Attributes:
        ranges: by the hyperparameter's name.
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

    @property
    def described(self) -> dict[str, object]:
        """Give everything by name, as JSON has it."""
        ranges = {name: range_.described for name, range_ in self.ranges.items()}
        return {**ranges, "initial": [dict(configuration) for configuration in self.initial]}


def initial(**values: Value | tuple[Value, ...]) -> tuple[Configuration, ...]:
    """Write initial configurations as the README does: where it gives several values, all of them.

    Args:
        values: by hyperparameter; a tuple stands for each of its values in turn.

    Returns:
        Every combination, the first values of all tuples first.
    """
    each = (value if isinstance(value, tuple) else (value,) for value in values.values())
    return tuple(dict(zip(values, combination, strict=True)) for combination in product(*each))


def shown(value: object) -> str:
    """Write a value for a message, of which the beginning is enough."""
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):  # thousands of digits or of tables in one another
        return f"this {type(value).__name__}"
