"""Search spaces as plain data, one module per suite, and their translation for the searcher."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from search_spaces import demo
from search_spaces.kinds import Choice, LogUniform, Range, TaskSpace

__all__ = ["SPACES", "Choice", "LogUniform", "Range", "TaskSpace", "for_optuna"]

SPACES: Mapping[str, Mapping[str, TaskSpace]] = {"demo": demo.SPACES}
"""For each suite, the space of each task."""


def for_optuna(ranges: Mapping[str, Range]) -> dict[str, BaseDistribution]:
    """Translate a space to the distributions that Tune's ``OptunaSearch`` takes."""
    return {
        name: CategoricalDistribution(range_.values)
        if isinstance(range_, Choice)
        else FloatDistribution(range_.low, range_.high, log=True)
        for name, range_ in ranges.items()
    }
