"""The model as a sampler of Optuna, for studies of any kind of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sa2vp.forecast.curves import State, Trial
from sa2vp.forecast.decisions import Forecaster, New
from search_spaces import Choice, LogUniform, Range, Uniform

MOST_VALUES = 256
"""Of an integer; each is a choice."""

STATES: Mapping[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.PRUNED: "stopped",
    TrialState.COMPLETE: "completed",
    TrialState.FAIL: "failed",
}
"""What Optuna's states are here."""


class ForecastSampler(BaseSampler):
    """Proposes the configuration that the model expects most improvement of for an epoch.

    A study maximises an accuracy in percent. Its trials report it after each epoch, numbered from
    1 (``trial.report(accuracy, epoch)``); one that reports nothing counts with its final value.
    Pruned trials count with what they reached. Random values are drawn until a parameter has been
    seen in a trial that ended; ``study.ask`` with fixed distributions needs ``space``.

    Args:
        epochs: of a whole training; 1 where trials report nothing before they end.
        images: on which an accuracy is measured.
        seed: of all that is drawn.
        space: distribution of each parameter; None for those that all ended trials have.

    Raises:
        ValueError: the study minimises, has several objectives, or an integer has more than
            ``MOST_VALUES`` values. Raised when a trial is sampled.
    """

    def __init__(
        self,
        epochs: int,
        images: int,
        *,
        seed: int = 0,
        space: Mapping[str, BaseDistribution] | None = None,
    ) -> None:
        self._epochs, self._images, self._seed = epochs, images, seed
        self._space = None if space is None else dict(space)
        self._random = RandomSampler(seed)
        self._seen = IntersectionSearchSpace()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Give the parameters that the model proposes together."""
        del trial
        found = self._seen.calculate(study) if self._space is None else self._space
        return {name: one for name, one in found.items() if not one.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose a configuration."""
        if study.directions != [StudyDirection.MAXIMIZE]:
            raise ValueError("ForecastSampler maximises one accuracy: direction='maximize'")
        if not search_space:
            return {}
        ranges = {name: range_of(name, one) for name, one in search_space.items()}
        forecaster = Forecaster(
            ranges, self._epochs, self._images, seed=self._seed, task=study.study_name
        )
        known = [
            Trial(one.number, _values(one, search_space), _curve(one), STATES[one.state])
            for one in study.get_trials(deepcopy=False)
            if one.number != trial.number and search_space.keys() <= one.params.keys()
        ]
        proposed = forecaster.next(known, trial.number, stopped=False)
        return proposed.configuration if isinstance(proposed, New) else {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter that the model does not know."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Keep the model's seed, from which it draws anew for each trial."""
        self._random.reseed_rng()


def range_of(name: str, distribution: BaseDistribution) -> Range:
    """Give a distribution of Optuna as a range.

    Raises:
        ValueError: names a parameter that has too many values, or a distribution that is unknown.
    """
    match distribution:
        case CategoricalDistribution():
            return Choice(*distribution.choices)
        case FloatDistribution(step=None, log=True):
            return LogUniform(distribution.low, distribution.high)
        case FloatDistribution(step=None):
            return Uniform(distribution.low, distribution.high)
        case IntDistribution() | FloatDistribution():
            step = distribution.step or 1
            count = round((distribution.high - distribution.low) / step) + 1
            if count <= MOST_VALUES:
                return Choice(*(distribution.low + step * index for index in range(count)))
            raise ValueError(f"{name} has {count} values; at most {MOST_VALUES} can be modelled")
    raise ValueError(f"{name} has a {type(distribution).__name__}, which cannot be modelled")


def _values(trial: FrozenTrial, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    return {name: trial.params[name] for name in space}


def _curve(trial: FrozenTrial) -> tuple[float, ...]:
    """Give a trial's accuracies by epoch; an epoch that was not reported is that before it."""
    reported = {epoch: value for epoch, value in trial.intermediate_values.items() if epoch > 0}
    if not reported:
        return (trial.value,) if trial.value is not None else ()
    curve: list[float] = []
    for epoch in range(1, max(reported) + 1):
        first = reported[min(reported)]
        curve.append(reported.get(epoch, curve[-1] if curve else first))
    return tuple(curve)
