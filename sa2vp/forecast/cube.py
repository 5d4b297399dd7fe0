"""Where configurations lie in a cube in which near ones are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces import Choice, LogUniform, Range

Array = NDArray[np.float64]

OUTSIDE = 0.5
"""How far a value that another search tried may lie outside the cube; farther ones count as so."""


class Cube:
    """The cube of a space.

    A number takes one coordinate from 0 to 1, on a logarithmic scale where it is drawn on one, or
    is a choice of numbers above 0. A choice of something else takes a coordinate for each value, so
    that all of them are at a distance of 1 from each other.

    Args:
        ranges: by hyperparameter.
    """

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._ranges = dict(ranges)
        self._coordinates = {name: _coordinate(range_) for name, range_ in ranges.items()}

    def of(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        """Place configurations, ``(N, coordinates)``.

        A number outside its range is placed outside the cube, up to ``OUTSIDE``.
        """
        columns = [
            np.stack([coordinate(one[name]) for one in configurations])
            for name, coordinate in self._coordinates.items()
        ]
        return np.concatenate(columns, axis=1)

    @property
    def dimensions(self) -> int:
        """Number of coordinates."""
        return sum(
            1 if not isinstance(range_, Choice) or _is_ordered(range_) else len(range_.values)
            for range_ in self._ranges.values()
        )

    def draw(self, rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
        """Draw configurations from the whole space."""
        return [self.configuration(one) for one in rng.random((count, len(self._ranges)))]

    def draw_near(
        self, rng: np.random.Generator, configurations: Sequence[Mapping[str, Any]], spread: float
    ) -> list[dict[str, Any]]:
        """Draw a neighbour of each configuration: some of its values change, and mostly a little.

        Args:
            rng: generator to draw from.
            configurations: in the space.
            spread: standard deviation of a change, as a share of the range.
        """
        shape = (len(configurations), len(self._ranges))
        steps = rng.normal(0, spread, shape) * (rng.random(shape) < 0.6)
        anew = rng.random(shape)
        found = []
        for configuration, step, drawn in zip(configurations, steps, anew, strict=True):
            values = []
            for (name, range_), change, other in zip(
                self._ranges.items(), step, drawn, strict=True
            ):
                share = _share(range_, configuration[name])
                unordered = isinstance(range_, Choice) and not _is_ordered(range_)
                values.append(other if unordered and change else np.clip(share + change, 0, 1))
            found.append(self.configuration(np.array(values)))
        return found

    def configuration(self, shares: Array) -> dict[str, Any]:
        """Give the configuration below which these shares of the ranges lie."""
        named = zip(self._ranges.items(), shares.tolist(), strict=True)
        return {name: _value(range_, share) for (name, range_), share in named}


def _is_ordered(choice: Choice) -> bool:
    return all(isinstance(value, int | float) for value in choice.values)


def _value(range_: Range, share: float) -> Any:
    """Give the value below which a share of a range lies."""
    if isinstance(range_, Choice):
        values = sorted(range_.values) if _is_ordered(range_) else range_.values  # type: ignore[type-var]
        return values[min(int(share * len(values)), len(values) - 1)]
    if isinstance(range_, LogUniform):
        value = range_.low * (range_.high / range_.low) ** share
    else:
        value = range_.low + share * (range_.high - range_.low)
    return min(max(value, range_.low), range_.high)


def _share(range_: Range, value: Any) -> float:
    """Give the share of a range below a value of it; of a choice's value, its middle."""
    if isinstance(range_, Choice):
        values = sorted(range_.values) if _is_ordered(range_) else range_.values  # type: ignore[type-var]
        return (list(values).index(value) + 0.5) / len(values)
    if isinstance(range_, LogUniform):
        return math.log(value / range_.low, range_.high / range_.low)
    return float((value - range_.low) / (range_.high - range_.low))


def _coordinate(range_: Range) -> Callable[[Any], Array]:
    """Give what puts a value of a range on its coordinates."""
    if isinstance(range_, Choice) and not _is_ordered(range_):
        return partial(_one_of, list(range_.values))
    low, high = (float(end) for end in (range_.ends[0], range_.ends[-1]))  # type: ignore[arg-type]
    logarithmic = isinstance(range_, LogUniform) or (isinstance(range_, Choice) and low > 0)
    return partial(_between, low, high, logarithmic=logarithmic)


def _one_of(values: Sequence[Any], value: Any) -> Array:
    return np.array([value == other for other in values], dtype=float) / math.sqrt(2)


def _between(low: float, high: float, value: float, *, logarithmic: bool) -> Array:
    if logarithmic:
        low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
    at: Array = np.array([(value - low) / ((high - low) or 1.0)])
    return at.clip(-OUTSIDE, 1 + OUTSIDE)
