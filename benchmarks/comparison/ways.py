"""Ways to search that are compared, each driven as its own library would drive it."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from comparison.simulation import Problem, Result, Verdict, Way
from sa2vp.forecast.curves import State
from sa2vp.forecast.curves import Trial as Recorded
from sa2vp.forecast.decisions import Forecaster, New
from sa2vp.results.names import make_run_id
from sa2vp.tuning.asha import PerTaskASHA
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.task_search import METRIC, suggest_by_optuna, tpe


def _as_tune_reports(result: Result) -> dict[str, Any]:
    """Write a result as Tune does."""
    return {
        "epoch": result.epoch, "training_iteration": result.epoch,
        "epochs_planned": result.epochs_planned, METRIC: result.val_top1,
    }  # fmt: skip


class AsRayShipsIt(Way):
    """A searcher and a scheduler of Ray, told what Tune tells them."""

    def __init__(self, problem: Problem, sampler: BaseSampler, *, asha: bool) -> None:
        super().__init__()
        self._searcher = OptunaSearch(
            for_optuna(problem.space.ranges), metric=METRIC, mode="max", sampler=sampler
        )
        self._scheduler = (
            ASHAScheduler(time_attr="epoch", max_t=problem.epochs, metric=METRIC, mode="max")
            if asha
            else FIFOScheduler()
        )
        self._trials: dict[int, SimpleNamespace] = {}

    def suggest(self, number: int | None) -> Mapping[str, Any] | None:
        """Suggest a configuration."""
        if number is None:
            return None
        self._trials[number] = SimpleNamespace(trial_id=str(number))
        if isinstance(self._scheduler, ASHAScheduler):
            self._scheduler.on_trial_add(None, self._trials[number])
        configuration: dict[str, Any] = self._searcher.suggest(str(number))
        return configuration

    def decide(self, number: int, result: Result) -> Verdict:
        """Ask the scheduler, and tell the searcher."""
        if result.failed:
            self._searcher.on_trial_complete(str(number), error=True)
            return "stop"
        row = _as_tune_reports(result)
        self._searcher.on_trial_result(str(number), row)
        decision = self._scheduler.on_trial_result(None, self._trials[number], row)
        if decision == TrialScheduler.CONTINUE and not result.finished:
            return "continue"
        self._searcher.on_trial_complete(str(number), row)
        return "stop"


class OurRungs:
    """This project's ASHA."""

    def __init__(self, problem: Problem) -> None:
        self._asha = PerTaskASHA([problem.task], problem.epochs)
        self._task = problem.task

    def stop(self, number: int, result: Result) -> bool:
        """Tell whether a trial is stopped."""
        run_id = make_run_id("recorded", self._task, "search", number, seed=0)
        config = {"run_id": run_id, "task": self._task, "phase": "search"}
        trial, row = SimpleNamespace(config=config), _as_tune_reports(result)
        return bool(self._asha.on_trial_result(None, trial, row) == TrialScheduler.STOP)


class OfOptuna(Way):
    """A sampler of Optuna, with one of its pruners or with our rungs.

    Args:
        problem: what is searched.
        sampler: Optuna's.
        pruner: Optuna's; None for our rungs.
        name: of the study, which decides on a trial's bracket in Hyperband.
    """

    def __init__(
        self, problem: Problem, sampler: BaseSampler, pruner: BasePruner | None, name: str
    ) -> None:
        super().__init__()
        self._study = optuna.create_study(
            study_name=name, direction="maximize", sampler=sampler, pruner=pruner
        )
        self._rungs = None if pruner else OurRungs(problem)
        self._distributions = for_optuna(problem.space.ranges)
        self._trials: dict[int, Trial] = {}

    def suggest(self, number: int | None) -> Mapping[str, Any] | None:
        """Suggest a configuration."""
        if number is None:
            return None
        self._trials[number] = self._study.ask(self._distributions)
        return self._trials[number].params

    def decide(self, number: int, result: Result) -> Verdict:
        """Report the epoch to the study."""
        trial = self._trials[number]
        if result.failed:
            self._study.tell(trial, state=TrialState.FAIL)
            return "stop"
        trial.report(result.val_top1, result.epoch)
        if result.finished:
            self._study.tell(trial, result.val_top1)
            return "stop"
        if self._rungs.stop(number, result) if self._rungs else trial.should_prune():
            self._study.tell(trial, state=TrialState.PRUNED)
            return "stop"
        return "continue"


class OneEpoch(Way):
    """Random configurations for one epoch each, then the best of them to the end, in rounds.

    After Egele et al., arXiv:2404.04111, whose baseline continues the best three. A round has
    three times as many configurations as a training has epochs, so that both parts of it cost
    about the same; the next one begins when the best of the last have been continued.
    """

    BEST = 3

    def __init__(self, problem: Problem, sampler: BaseSampler) -> None:
        super().__init__()
        self._study = optuna.create_study(sampler=sampler)
        self._distributions = for_optuna(problem.space.ranges)
        self._size = self.BEST * problem.epochs
        self._begin_round()
        self._continued: list[int] = []

    def _begin_round(self) -> None:
        self._drawn = 0
        self._under_way: set[int] = set()
        self._paused: dict[int, float] = {}

    def suggest(self, number: int | None) -> Mapping[str, Any] | int | None:
        """Fill the round up, or continue its best."""
        if (number is None or self._drawn == self._size) and not self._under_way:
            best = sorted(self._paused, key=lambda n: -self._paused[n])[: self.BEST]
            self._continued += best
            self._begin_round()
        if self._continued:
            return self._continued.pop(0)
        if number is None or self._drawn == self._size:
            return None
        self._drawn += 1
        self._under_way.add(number)
        return self._study.ask(self._distributions).params

    def decide(self, number: int, result: Result) -> Verdict:
        """Pause after the first epoch."""
        if result.epoch > 1:
            return "continue"
        self._under_way.discard(number)
        if result.failed or result.finished:
            return "stop"
        self._paused[number] = result.val_top1
        return "pause"


class FromRecord(Way):
    """Decides from all trials so far, as this project's searches do.

    Args:
        problem: what is searched.
        initial: whether the search opens with the space's initial configurations.
    """

    def __init__(self, problem: Problem, *, initial: bool) -> None:
        super().__init__()
        self._initial = problem.space.initial if initial else ()
        self._known: dict[int, Recorded] = {}

    @property
    def _trials(self) -> list[Recorded]:
        return [*self._known.values()]

    def suggest(self, number: int | None) -> Mapping[str, Any] | int | None:
        """Begin with the initial configurations."""
        if number is not None and number < len(self._initial):
            found: Mapping[str, Any] | int | None = self._initial[number]
        else:
            found = self._next(number)
        if isinstance(found, int):
            self._known[found] = replace(self._known[found], state="running")
        elif found is not None and number is not None:
            self._known[number] = Recorded(number, found, (), "running")
        return found

    def decide(self, number: int, result: Result) -> Verdict:
        """Enter the epoch, and ask whether the trial goes on."""
        known = self._known[number]
        if result.failed:
            self._known[number] = replace(known, state="failed")
            return "stop"
        self._known[number] = replace(known, accuracies=(*known.accuracies, result.val_top1))
        verdict: Verdict = "stop" if result.finished else self._judge(number, result)
        if verdict != "continue":
            state: State = "completed" if result.finished else "stopped"
            self._known[number] = replace(self._known[number], state=state)
        return verdict

    @abstractmethod
    def _next(self, number: int | None) -> Mapping[str, Any] | int | None:
        """Suggest what comes after the initial configurations."""

    @abstractmethod
    def _judge(self, number: int, result: Result) -> Verdict:
        """Decide on a trial that has epochs left."""


class TPEWithRungs(FromRecord):
    """This project's ``--sampler tpe --scheduler asha``."""

    def __init__(self, problem: Problem, seed: int, *, initial: bool) -> None:
        super().__init__(problem, initial=initial)
        self._task, self._seed = problem.task, seed
        self._distributions = for_optuna(problem.space.ranges)
        self._rungs = OurRungs(problem)

    def _next(self, number: int | None) -> Mapping[str, Any] | None:
        if number is None:
            return None
        return suggest_by_optuna(
            tpe, self._distributions, self._trials, seed=self._seed, task=self._task, number=number
        )

    def _judge(self, number: int, result: Result) -> Verdict:
        return "stop" if self._rungs.stop(number, result) else "continue"


class Forecasting(FromRecord):
    """This project's ``--sampler forecast --scheduler forecast``, with ``--learn-from`` or not."""

    def __init__(
        self, problem: Problem, seed: int, *, initial: bool = False, learns: bool = False
    ) -> None:
        super().__init__(problem, initial=initial)
        self._forecaster = Forecaster(
            problem.space.ranges, problem.epochs, problem.images, seed=seed, task=problem.task,
            earlier=problem.earlier if learns else (),
        )  # fmt: skip

    def _next(self, number: int | None) -> Mapping[str, Any] | int | None:
        found = self._forecaster.next(self._trials, number)
        if found is None:
            return None
        return found.configuration if isinstance(found, New) else found.number

    def _judge(self, number: int, result: Result) -> Verdict:
        del result
        return "pause" if self._forecaster.judge(self._trials, number).stop else "continue"


def _seed(problem: Problem, seed: int) -> int:
    """Give the seed of a sampler: without the task's name, all tasks would see the same draws."""
    return crc32(f"{seed}/{problem.task}".encode())


def _random(problem: Problem, seed: int) -> RandomSampler:
    return RandomSampler(_seed(problem, seed))


def _tpe(problem: Problem, seed: int) -> TPESampler:
    return TPESampler(seed=_seed(problem, seed))


WAYS: Mapping[str, Callable[[Problem, int], Way]] = {
    "random": lambda p, seed: AsRayShipsIt(p, _random(p, seed), asha=False),
    "random-asha": lambda p, seed: AsRayShipsIt(p, _random(p, seed), asha=True),
    "stock": lambda p, seed: AsRayShipsIt(p, _tpe(p, seed), asha=True),
    "hyperband": lambda p, seed: OfOptuna(
        p, _tpe(p, seed), HyperbandPruner(max_resource=p.epochs), f"{p.task}/{seed}"
    ),
    "one-epoch": lambda p, seed: OneEpoch(p, _random(p, seed)),
    "gp": lambda p, seed: OfOptuna(p, GPSampler(seed=_seed(p, seed)), None, f"{p.task}/{seed}"),
    "tpe-asha": lambda p, seed: TPEWithRungs(p, seed, initial=False),
    "forecast": Forecasting,
    "forecast-earlier": lambda p, seed: Forecasting(p, seed, learns=True),
    "forecast-initial": lambda p, seed: Forecasting(p, seed, initial=True),
}


def applicable(problem: Problem) -> list[str]:
    """List the ways that a task allows: some need initial configurations, or earlier tasks."""
    lacking = [
        ending
        for ending, there in (("-initial", problem.space.initial), ("-earlier", problem.earlier))
        if not there
    ]
    return [name for name in WAYS if not any(name.endswith(ending) for ending in lacking)]


def be_quiet() -> None:
    """Silence what the libraries say about being used in the way that they are here."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    warnings.filterwarnings("ignore", message="The reported value is ignored")
