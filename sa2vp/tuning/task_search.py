"""What one task's search does next, from the record of its trials alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sa2vp.forecast.curves import Trial
from sa2vp.forecast.decisions import Forecaster, New, Next, Verdict, by_steps
from sa2vp.forecast.earlier import EarlierTask
from sa2vp.forecast.sampler import STATES
from sa2vp.results.names import trial_number
from sa2vp.results.schema import RunRow
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.earlier import FEWEST
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.race import Racer, next_to_repeat
from sa2vp.tuning.record import RunRecord
from search_spaces.kinds import Value

METRIC = "val_top1"
STARTUP_TRIALS = 5
"""Trials before TPE models the results: few, since a search has tens of trials, not hundreds."""

TELLING = ("completed", "stopped")
"""States of the trials that tell other tasks something."""

_OF_OPTUNA = {state: of_optuna for of_optuna, state in STATES.items()}


def frozen_trial(distributions: Mapping[str, BaseDistribution], trial: Trial) -> FrozenTrial:
    """Describe a trial to Optuna, truthfully.

    Args:
        distributions: of the space.
        trial: to describe.
    """
    state, accuracies = _OF_OPTUNA[trial.state], trial.accuracies
    if state == TrialState.PRUNED and not accuracies:
        state = TrialState.FAIL  # stopped before it had anything to tell
    ended_well = state in (TrialState.COMPLETE, TrialState.PRUNED)
    return create_trial(
        state=state,
        value=accuracies[-1] if ended_well else None,
        params={name: trial.configuration[name] for name in distributions},
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(accuracies, start=1)),
    )


def suggest_by_optuna(
    make_sampler: Callable[[int], BaseSampler],
    distributions: Mapping[str, BaseDistribution],
    trials: Sequence[Trial],
    *,
    seed: int,
    task: str,
    number: int,
) -> dict[str, Any]:
    """Ask a sampler of Optuna for a trial's configuration.

    Each suggestion is drawn from a generator seeded by the search's seed, the task and the trial's
    number, so that a continued search goes on as it would have.

    Args:
        make_sampler: makes it from a seed.
        distributions: of the space.
        trials: of the task so far.
        seed: of the search.
        task: its name.
        number: of the new trial.
    """
    sampler = make_sampler(zlib.crc32(f"{seed}/{task}/{number}".encode()))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([frozen_trial(distributions, trial) for trial in trials])
    return study.ask(dict(distributions)).params


def tpe(seed: int) -> TPESampler:
    """Make TPE; trials under way are not suggested again."""
    return TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, constant_liar=True)


def make_searches(
    plan: SearchPlan, record: RunRecord, images: Mapping[str, Mapping[str, int]]
) -> dict[str, TaskSearch]:
    """Make the search of each task of a plan.

    Args:
        plan: of the search.
        record: of its runs.
        images: how many each split has, by task.
    """
    earlier = [
        EarlierTask(
            one.ranges, one.configurations, [[top1] for top1 in one.val_top1], 1, one.images
        )
        for one in plan.earlier
    ]
    searches = {
        task: TaskSearch(plan, record, task, images[task]["val"], earlier) for task in plan.tasks
    }
    for task, search in searches.items():
        search.listen_to([other for name, other in searches.items() if name != task])
    return searches


class TaskSearch:
    """One task's search.

    Args:
        plan: of the search.
        record: of its runs; everything is decided from it.
        task: its name.
        images: of its validation split.
        earlier: tasks that its model learns from.
    """

    def __init__(
        self,
        plan: SearchPlan,
        record: RunRecord,
        task: str,
        images: int,
        earlier: Sequence[EarlierTask] = (),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # the terminal is the progress's
        self._images = images
        self._config, self._record, self._task = plan.config, record, task
        self._space = plan.space(task)
        self._distributions = for_optuna(self._space.ranges)
        self._forecaster = Forecaster(
            self._space.ranges,
            plan.config.epochs,
            images,
            seed=plan.config.seed,
            task=task,
            earlier=earlier,
        )
        self._others: Sequence[TaskSearch] = ()
        self._told: tuple[object, EarlierTask] | None = None

    def listen_to(self, others: Sequence[TaskSearch]) -> None:
        """Let the model learn from what other tasks' trials show while they are searched, too."""
        self._others = others

    def tell(self) -> EarlierTask | None:
        """Give what the task's trials tell of others; None before enough have ended."""
        rows = [row for row in self._rows() if row.status in TELLING and row.epochs_done]
        ended = rows[: by_steps(len(rows))]
        if len(ended) < FEWEST:
            return None
        known = [(row.run_id, row.epochs_done) for row in ended]
        if self._told is None or self._told[0] != known:
            trials = [self._record.trial(row) for row in ended]
            told = EarlierTask(
                self._space.ranges,
                [trial.configuration for trial in trials],
                [trial.accuracies for trial in trials],
                self._config.epochs,
                self._images,
            )
            self._told = (known, told)
        return self._told[1]

    def _beside(self) -> list[EarlierTask]:
        told = [other.tell() for other in self._others]
        return [one for one in told if one is not None]

    def trials(self) -> list[Trial]:
        """List the task's trials, by number."""
        return [self._record.trial(row) for row in self._rows()]

    def _rows(self) -> list[RunRow]:
        rows = self._record.of(self._task, "search")
        return sorted(rows, key=lambda row: trial_number(row.run_id))

    def next(self, number: int | None) -> Next | None:
        """Say what to do with a free place.

        Args:
            number: that a new trial would get; None if the plan has no more.

        Returns:
            None if nothing is to be done until another trial has ended.
        """
        if number is not None and number < len(self._space.initial):
            return New(dict(self._space.initial[number]))
        goes_on = self._config.scheduler == "forecast"
        over = number is None or self._config.min_gain > 0
        if over and self._record.is_chosen_from(self._task):
            return None  # whatever other tasks have told since
        if self._config.sampler == "forecast" or number is None:
            if number is None and not goes_on:
                return None
            return self._forecaster.next(
                self.trials(), number, self._beside(), stopped=goes_on,
                min_gain=self._config.min_gain,
            )  # fmt: skip
        return New(
            suggest_by_optuna(
                tpe, self._distributions, self.trials(),
                seed=self._config.seed, task=self._task, number=number,
            )
        )  # fmt: skip

    def to_repeat(self) -> RunRow | None:
        """Give the trial to train with a further seed before one is chosen; None once it is clear.

        All trials have ended.
        """
        best = self._record.best(self._task)
        if best is None:
            return None
        # of trials with the same configuration the best one stands for it
        trials = {_key(row): row for row in reversed(self._record.ranked(self._task))}
        confirming = self._record.of(self._task, "confirm")
        repeats = [[run for run in confirming if _key(run) == key] for key in trials]
        racers = [_racer(*runs) for runs in zip(trials.values(), repeats, strict=True)]
        found = next_to_repeat(racers, [*trials].index(_key(best)), self._images)
        return None if found is None else [*trials.values()][found]

    def judge(self, run_id: str, epoch: int, top1: float) -> Verdict:
        """Say whether the model gives a trial a chance, after an epoch that is not recorded yet."""
        number = trial_number(run_id)
        trials = [
            Trial(one.number, one.configuration, (*one.accuracies[: epoch - 1], top1), "running")
            if one.number == number
            else one
            for one in self.trials()
        ]
        return self._forecaster.judge(trials, number, self._beside())


def _key(row: RunRow) -> tuple[tuple[str, Value], ...]:
    """Give what tells configurations apart."""
    return tuple(row.configuration.items())


def _racer(trial: RunRow, repeats: Sequence[RunRow]) -> Racer:
    """Give a configuration's trial and repeats as the race sees them."""
    completed = [trial, *(run for run in repeats if run.status == "completed")]
    return Racer(
        [run.last_val_top1 or 0.0 for run in completed],
        under_way=sum(run.status == "running" for run in repeats),
        failed=sum(run.status == "failed" for run in repeats),
    )
