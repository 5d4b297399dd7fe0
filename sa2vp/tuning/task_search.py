"""Ray's Optuna searcher for one task, told the truth about trials that were stopped or failed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.search.optuna import OptunaSearch

METRIC = "val_top1"
STARTUP_TRIALS = 5
"""Trials before TPE models the results: few, since a search has tens of trials, not hundreds."""

_STATES = {
    "completed": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def frozen_trial(
    distributions: Mapping[str, BaseDistribution],
    configuration: Mapping[str, Any],
    status: str,
    accuracies: Sequence[float],
) -> FrozenTrial:
    """Describe a trial that has ended to Optuna, truthfully.

    Args:
        distributions: of the space.
        configuration: its hyperparameters.
        status: ``completed``, ``stopped`` or ``failed``.
        accuracies: validation top-1 of each epoch done.
    """
    state = _STATES[status]
    if state == TrialState.PRUNED and not accuracies:
        state = TrialState.FAIL  # stopped before it had anything to tell
    return create_trial(
        state=state,
        value=None if state == TrialState.FAIL else accuracies[-1],
        params={name: configuration[name] for name in distributions},
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(accuracies, start=1)),
    )


class TaskSearch(OptunaSearch):
    """TPE over one task's space.

    Ray's bridge reports a trial that ASHA stopped as complete, so that TPE takes the accuracy of
    an early epoch for a final one. Here it is pruned, with every epoch's accuracy. Each suggestion
    is drawn from a generator seeded by the search's seed, the task and the trial's number, so
    that a continued search goes on as it would have.

    Args:
        distributions: Optuna's, by hyperparameter.
        task: its name, part of the seed.
        seed: of the search.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], *, task: str, seed: int
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(space=dict(distributions), metric=METRIC, mode="max", sampler=TPESampler())
        self._task = task
        self._search_seed = seed

    def add_finished(
        self, configuration: Mapping[str, Any], status: str, accuracies: Sequence[float]
    ) -> None:
        """Tell Optuna of a trial from an earlier session.

        Args:
            configuration: its hyperparameters.
            status: ``completed``, ``stopped`` or ``failed``.
            accuracies: validation top-1 of each epoch done.
        """
        self._ot_study.add_trial(frozen_trial(self._space, configuration, status, accuracies))

    def suggest_configuration(
        self, trial_id: str, number: int, given: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Suggest the configuration of a trial.

        Args:
            trial_id: Tune's.
            number: of the trial within the task; decides the seed.
            given: a configuration to use instead of a new one: an initial one, or that of a trial
                that continues.
        """
        name = f"{self._search_seed}/{self._task}/{number}"
        self._ot_study.sampler = TPESampler(
            seed=zlib.crc32(name.encode()),
            n_startup_trials=STARTUP_TRIALS,
            constant_liar=True,  # trials under way are not suggested again
        )
        if given is not None:
            self._ot_study.enqueue_trial({name: given[name] for name in self._space})
        return dict(self.suggest(trial_id))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an epoch's accuracy under the project's own epoch count."""
        if METRIC in result:
            self._ot_trials[trial_id].report(result[METRIC], result["epoch"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna how the trial ended: complete, pruned or failed."""
        trial = self._ot_trials[trial_id]
        if error or not result or METRIC not in result:
            self._ot_study.tell(trial, state=TrialState.FAIL)
        elif result["epoch"] < result["epochs_planned"]:
            trial.report(result[METRIC], result["epoch"])
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        else:
            self._ot_study.tell(trial, result[METRIC])
