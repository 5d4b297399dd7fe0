"""A search space as Optuna's distributions."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from search_spaces import Choice, LogUniform, Range


def for_optuna(ranges: Mapping[str, Range]) -> dict[str, BaseDistribution]:
    """Translate ranges, by hyperparameter."""
    return {
        name: CategoricalDistribution(range_.values)
        if isinstance(range_, Choice)
        else FloatDistribution(range_.low, range_.high, log=isinstance(range_, LogUniform))
        for name, range_ in ranges.items()
    }
