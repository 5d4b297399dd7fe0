"""Compare ways to search on recorded settings of the demo: epochs spent until one is good enough.

``python benchmarks/compare_searches.py`` replays ``demo_settings.parquet``. Searchers and
schedulers are the real ones, driven as Tune drives them: ours, and random search, ASHA and
OptunaSearch as Ray ships them, the last also with our rungs. A search has found what it looks for
when a trial that ran to the end is within half a point of the best of the table.

A setting's true curve comes from Gaussian processes fitted to the recorded curves, one for each
epoch; what a trial shows of it is that curve and what the fit left of some recorded one, drawn by
chance: the noise of a seed. ``--replay table`` takes the table as it is: a setting gets the curve
of the nearest recorded one that this search has not tried yet, of one of its seeds by chance. A
search that has tried all, and stopped the best before their end, gives up; the epochs of all
searches over the number of those that found one are then given too.
"""

from __future__ import annotations

import heapq
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import optuna
import pandas as pd
import typer
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler, TPESampler
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch
from record_settings import TABLE
from rich.progress import track
from rich.table import Table
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from sa2vp.printing import Console
from sa2vp.tuning.asha import PerTaskASHA
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.rungs import REDUCTION_FACTOR, grace_epochs
from sa2vp.tuning.task_search import METRIC, TaskSearch
from search_spaces import SPACES, Choice, TaskSpace

NEAR = 0.5
"""Percent; one image of the validation split."""


@dataclass(frozen=True)
class Recorded:
    """A task's recorded settings.

    Attributes:
        places: of the settings, each hyperparameter from 0 to 1; ``(N, 4)``.
        by_seed: of each setting, validation top-1 of each seed after each epoch;
            N times ``(seeds, epochs)``.
        space: that they were drawn from.
    """

    places: NDArray[np.float64]
    by_seed: Sequence[NDArray[np.float64]]
    space: TaskSpace

    @property
    def curves(self) -> NDArray[np.float64]:
        """Those of the first seed; ``(N, epochs)``."""
        return np.stack([curves[0] for curves in self.by_seed])


class Replay(Protocol):
    """What a setting is taken to reach."""

    target: float
    """What is good enough after the last epoch."""

    def curves(
        self, setting: Mapping[str, Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the true curve, and what one trial shows."""


class Recordings:
    """For one search: the curve of the nearest setting not tried yet, each of a drawn seed."""

    def __init__(self, recorded: Recorded, rng: np.random.Generator) -> None:
        self._recorded = recorded
        self._curves = np.stack([rng.choice(curves) for curves in recorded.by_seed])
        self._untried = np.ones(len(self._curves), dtype=bool)
        self.target = float(self._curves[:, -1].max() - NEAR)

    def curves(
        self, setting: Mapping[str, Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the same curve twice."""
        del rng
        distances = ((self._recorded.places - place(setting, self._recorded.space)) ** 2).sum(1)
        nearest = np.where(self._untried, distances, np.inf).argmin()
        self._untried[nearest] = False
        curve: NDArray[np.float64] = self._curves[nearest]
        return curve, curve


class Fitted:
    """A smooth curve for every setting, and the noise that was left of the recorded ones."""

    def __init__(self, recorded: Recorded) -> None:
        self._space = recorded.space
        self._fits = [self._fit(recorded.places, top1) for top1 in recorded.curves.T]
        fitted = np.stack([fit.predict(recorded.places) for fit in self._fits], axis=1)
        self._noise = recorded.curves - fitted
        self.target = float(fitted[:, -1].max() - NEAR)

    @staticmethod
    def _fit(places: NDArray[np.float64], top1: NDArray[np.float64]) -> Any:
        smooth = ConstantKernel() * Matern(np.ones(places.shape[1]), (0.05, 10), nu=2.5)
        noise = WhiteKernel(0.05, (1e-3, 1))
        process = GaussianProcessRegressor(
            smooth + noise, normalize_y=True, n_restarts_optimizer=1, random_state=0
        )
        return process.fit(places, top1)

    def curves(
        self, setting: Mapping[str, Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the fitted curve, and that with noise, in steps of one image of 200."""
        at = place(setting, self._space)[None]
        true = np.array([fit.predict(at)[0] for fit in self._fits])
        shown = np.clip(true + self._noise[rng.integers(len(self._noise))], 0, 100)
        return true, np.round(2 * shown) / 2


class Search(Protocol):
    """What the simulation asks of a way to search."""

    def suggest(self, number: int) -> Mapping[str, Any]:
        """Suggest the setting of a trial."""

    def goes_on(self, number: int, result: dict[str, Any]) -> bool:
        """Take an epoch in, and tell whether the trial goes on."""

    def ended(self, number: int, result: dict[str, Any]) -> None:
        """Take the end of a trial in, by itself or stopped."""


class AsRayShipsIt:
    """A searcher and a scheduler of Ray, told what Tune tells them."""

    def __init__(
        self, recorded: Recorded, *, sampler: Any, asha: bool, our_rungs: bool = False
    ) -> None:
        self._searcher = OptunaSearch(
            for_optuna(recorded.space.ranges), metric=METRIC, mode="max", sampler=sampler
        )
        epochs = recorded.curves.shape[1]
        rungs: dict[str, Any] = {"time_attr": "epoch", "max_t": epochs}
        if our_rungs:
            rungs |= {"grace_period": grace_epochs(epochs), "reduction_factor": REDUCTION_FACTOR}
        self._asha = ASHAScheduler(metric=METRIC, mode="max", **rungs) if asha else FIFOScheduler()
        self._trials: dict[int, SimpleNamespace] = {}

    def suggest(self, number: int) -> Mapping[str, Any]:
        """Suggest the setting of a trial."""
        self._trials[number] = SimpleNamespace(trial_id=str(number))
        if isinstance(self._asha, ASHAScheduler):
            self._asha.on_trial_add(None, self._trials[number])
        setting: dict[str, Any] = self._searcher.suggest(str(number))
        return setting

    def goes_on(self, number: int, result: dict[str, Any]) -> bool:
        """Take an epoch in."""
        self._searcher.on_trial_result(str(number), result)
        decision = self._asha.on_trial_result(None, self._trials[number], result)
        return bool(decision == TrialScheduler.CONTINUE)

    def ended(self, number: int, result: dict[str, Any]) -> None:
        """Take the end of a trial in."""
        self._searcher.on_trial_complete(str(number), result)


class Ours:
    """This project's searcher and scheduler."""

    def __init__(self, task: str, recorded: Recorded, seed: int, *, from_first: bool) -> None:
        self._search = TaskSearch(for_optuna(recorded.space.ranges), task=task, seed=seed)
        self._asha = PerTaskASHA([task], recorded.curves.shape[1])
        self._task = task
        self._initial = recorded.space.initial if from_first else ()

    def suggest(self, number: int) -> Mapping[str, Any]:
        """Suggest the setting of a trial."""
        given = self._initial[number] if number < len(self._initial) else None
        return self._search.suggest_setting(str(number), number, given)

    def goes_on(self, number: int, result: dict[str, Any]) -> bool:
        """Take an epoch in."""
        self._search.on_trial_result(str(number), result)
        config = {"run_id": str(number), "task": self._task, "phase": "search"}
        decision = self._asha.on_trial_result(None, SimpleNamespace(config=config), result)
        return bool(decision == TrialScheduler.CONTINUE)

    def ended(self, number: int, result: dict[str, Any]) -> None:
        """Take the end of a trial in."""
        self._search.on_trial_complete(str(number), result)


WAYS: dict[str, Callable[[str, Recorded, int], Search]] = {
    "random": lambda _, r, seed: AsRayShipsIt(r, sampler=RandomSampler(seed), asha=False),
    "random + ASHA": lambda _, r, seed: AsRayShipsIt(r, sampler=RandomSampler(seed), asha=True),
    "OptunaSearch + ASHA": lambda _, r, seed: AsRayShipsIt(
        r, sampler=TPESampler(seed=seed), asha=True
    ),
    "the same, our rungs": lambda _, r, seed: AsRayShipsIt(
        r, sampler=TPESampler(seed=seed), asha=True, our_rungs=True
    ),
    "ours": lambda task, r, seed: Ours(task, r, seed, from_first=False),
    "ours, README first": lambda task, r, seed: Ours(task, r, seed, from_first=True),
}


def main(
    seeds: Annotated[int, typer.Option(help="Searches of each kind.")] = 20,
    slots: Annotated[int, typer.Option(help="Trials at a time.")] = 4,
    trials: Annotated[int, typer.Option(help="After so many a search gives up.")] = 1000,
    replay: Annotated[
        Literal["fitted", "table"], typer.Option(help="What a setting reaches.")
    ] = "fitted",
) -> None:
    """Print the mean epochs of each way, by task."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    warnings.filterwarnings("ignore", message="The reported value is ignored")
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    table = Table("task", "settings", "good enough", *WAYS)
    for task, recorded in read_recorded().items():
        fitted = Fitted(recorded) if replay == "fitted" else None
        cells = [
            describe(searches(partial(way, task, recorded), recorded, fitted, seeds, slots, trials))
            for way in track(WAYS.values(), f"Searching {task}")
        ]
        good = "of each draw" if fitted is None else f"{fitted.target:.1f}"
        table.add_row(task, str(len(recorded.by_seed)), good, *cells)
    console = Console(width=150)
    console.print(f"Epochs until within {NEAR} points of the best, {slots} trials at a time;")
    console.print(f"mean of {seeds} searches ± standard error")
    console.print(table)


def searches(
    make: Callable[[int], Search],
    recorded: Recorded,
    fitted: Fitted | None,
    seeds: int,
    slots: int,
    trials: int,
) -> list[tuple[int, bool]]:
    """Search with each seed, on the fit or, without one, on the table; see ``epochs_spent``."""
    outcomes = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        replay = fitted or Recordings(recorded, rng)
        most = trials if fitted else min(trials, len(recorded.by_seed))
        outcomes.append(epochs_spent(make(seed), replay, slots, most, rng))
    return outcomes


def describe(outcomes: Sequence[tuple[int, bool]]) -> str:
    """Write the epochs of searches, and how many of them gave up."""
    spent, found = zip(*outcomes, strict=True)
    error = np.std(spent, ddof=1) / math.sqrt(len(spent))
    mean = f"{np.mean(spent):.0f} ± {error:.0f}"
    if all(found):
        return mean
    each = f"{sum(spent) / sum(found):.0f} a find" if any(found) else "none found"
    return f"{mean}\n{len(found) - sum(found)} gave up,\n{each}"


def read_recorded() -> dict[str, Recorded]:
    """Read the settings of each task."""
    found = {}
    for task, rows in pd.read_parquet(TABLE).groupby("task"):
        space = SPACES["demo"][str(task)]
        curves = rows.pivot_table(index=["number", "seed"], columns="epoch", values=METRIC)
        by_seed = [of_setting.to_numpy() for _, of_setting in curves.groupby(level="number")]
        settings = rows.drop_duplicates("number").sort_values("number").to_dict("records")
        places = np.array([place(dict(setting), space) for setting in settings])
        found[str(task)] = Recorded(places, by_seed, space)
    return found


def place(setting: Mapping[Any, Any], space: TaskSpace) -> NDArray[np.float64]:
    """Put a setting into the unit cube, each range as the searcher sees it."""
    found = []
    for name, within in space.ranges.items():
        if isinstance(within, Choice):
            choices = list(within.values)
            found.append(choices.index(setting[name]) / max(1, len(choices) - 1))
        else:
            found.append(math.log(setting[name] / within.low, within.high / within.low))
    return np.array(found)


def epochs_spent(
    search: Search, replay: Replay, slots: int, trials: int, rng: np.random.Generator
) -> tuple[int, bool]:
    """Run trials, so many at a time, an epoch taking the same time in each.

    Returns:
        Epochs trained in all until the target is reached or the trials are used up, and whether it
        was reached.
    """
    running = [(1, number) for number in range(slots)]  # end of the next epoch, trial
    curves = {number: replay.curves(search.suggest(number), rng) for number in range(slots)}
    done = dict.fromkeys(range(slots), 0)
    spent = 0
    while running:
        time, number = heapq.heappop(running)
        done[number] += 1
        spent += 1
        true, shown = curves[number]
        result = {
            "epoch": done[number], "training_iteration": done[number],
            "epochs_planned": len(true), METRIC: float(shown[done[number] - 1]),
        }  # fmt: skip
        if done[number] == len(true) and true[-1] >= replay.target:
            return spent, True
        if search.goes_on(number, result) and done[number] < len(true):
            heapq.heappush(running, (time + 1, number))
            continue
        search.ended(number, result)
        new = len(curves)
        if new < trials:
            curves[new], done[new] = replay.curves(search.suggest(new), rng), 0
            heapq.heappush(running, (time + 1, new))
    return spent, False


if __name__ == "__main__":
    typer.run(main)
