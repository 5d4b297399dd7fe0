"""A search space beside what a method and its training know: names, types and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product

from sa2vp.methods.base import Method
from sa2vp.training.configuration import RunConfiguration, check_hyperparameter
from search_spaces import Choice, Configuration, Range, TaskSpace, Value

MOST_CORNERS = 4096


def checked_space(method: type[Method], space: TaskSpace) -> TaskSpace:
    """Check the names and values of a space, and give it with values of the fields' types.

    Raises:
        HyperparameterError: names the first hyperparameter that is unknown or whose values do not
            fit.
    """

    def checked_range(name: str, range_: Range) -> Range:
        if isinstance(range_, Choice):
            return Choice(*(check_hyperparameter(method, name, value) for value in range_.values))
        for end in (range_.low, range_.high):
            check_hyperparameter(method, name, float(end))
        return range_

    return TaskSpace(
        {name: checked_range(name, range_) for name, range_ in space.ranges.items()},
        tuple(
            {name: check_hyperparameter(method, name, value) for name, value in one.items()}
            for one in space.initial
        ),
    )


def corner_runs(
    method: type[Method], space: TaskSpace, fixed: Mapping[str, Value], epochs: int
) -> list[RunConfiguration]:
    """Give runs at the corners of a space, which shows that its hyperparameters fit together.

    Args:
        method: that is searched.
        space: checked.
        fixed: values of the hyperparameters that the space does not hold.
        epochs: of each run.

    Raises:
        HyperparameterError: names the first hyperparameter that is missing, or does not fit others.
    """
    return [
        RunConfiguration.of(method, {**fixed, **corner}, epochs=epochs, seed=0)
        for corner in _corners(space)
    ]


def _corners(space: TaskSpace) -> Iterator[Configuration]:
    """Give configurations at the ends of all ranges; of very many the first."""
    every = product(*(range_.ends for range_ in space.ranges.values()))
    for ends in islice(every, MOST_CORNERS):
        yield dict(zip(space.ranges, ends, strict=True))
