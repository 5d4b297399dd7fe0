"""What Optuna is told, and that a continued search suggests what an uninterrupted one would."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from driver import Driver
from optuna.trial import TrialState

from sa2vp.forecast.curves import State, Trial
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.task_search import frozen_trial, suggest_by_optuna, tpe
from search_spaces import SPACES

SPACE = SPACES["demo"]["digits"]
DISTRIBUTIONS = for_optuna(SPACE.ranges)


def suggest(trials: list[Trial], number: int, *, seed: int = 0, task: str = "digits") -> Any:
    return suggest_by_optuna(tpe, DISTRIBUTIONS, trials, seed=seed, task=task, number=number)


def run_trials(trials: list[Trial], numbers: range) -> list[Trial]:
    """Complete every third trial, where a large lr is best; stop the others after epoch 2."""
    for number in numbers:
        configuration = suggest(trials, number)
        done = number % 3 == 0
        last = 50 + 1000 * configuration["lr"] if done else 30.0
        state: State = "completed" if done else "stopped"
        trials = [*trials, Trial(number, configuration, [20.0, last], state)]
    return trials


@pytest.mark.parametrize(
    ("state", "accuracies", "told", "value"),
    [
        ("completed", [20.0, 60.0], TrialState.COMPLETE, 60.0),
        ("stopped", [20.0, 30.0], TrialState.PRUNED, 30.0),
        ("stopped", [], TrialState.FAIL, None),
        ("failed", [20.0], TrialState.FAIL, None),
        ("running", [20.0], TrialState.RUNNING, None),
    ],
)
def test_optuna_is_told_the_truth(
    state: State, accuracies: list[float], told: TrialState, value: float | None
) -> None:
    trial = frozen_trial(DISTRIBUTIONS, Trial(0, SPACE.initial[0], accuracies, state))
    assert (trial.state, trial.value) == (told, value)
    assert trial.intermediate_values == dict(enumerate(accuracies, 1))
    assert trial.params == dict(SPACE.initial[0])


def test_the_seed_the_task_and_the_number_decide_the_suggestions() -> None:
    base = suggest([], 7)
    others = [suggest([], 7, seed=1), suggest([], 7, task="location"), suggest([], 8)]
    assert suggest([], 7) == base
    assert len({one["lr"] for one in (base, *others)}) == 4


def test_tpe_moves_towards_what_worked() -> None:
    rates = [trial.configuration["lr"] for trial in run_trials([], range(40))]
    assert sum(rates[-10:]) / 10 > sum(rates[:5]) / 5


def test_suggestions_side_by_side_do_not_collapse_on_one_point() -> None:
    trials = run_trials([], range(30))
    for number in range(100, 108):
        trials.append(Trial(number, suggest(trials, number), [], "running"))
    rates = [trial.configuration["lr"] for trial in trials[30:]]
    assert len(set(rates)) == 8
    # A factor of 3 between them at the least; it is 2.4 where open trials are not reckoned with.
    assert max(rates) / min(rates) > 3


def rates_of_location(results: Path, good: float, *, restart: bool = False) -> list[float]:
    """Search digits, where a learning rate is good, then ask for four trials of location."""
    options = {"tasks": "digits,location", "trials": 12, "seeds": 1, "sampler": "forecast"}
    driver = Driver(results, **options)
    for _ in range(12):
        config = driver.ask()
        off = math.log10(config["hyperparameters"]["lr"] / good)
        driver.finish(config["run_id"], 90 - 30 * abs(off))
    rates = []
    for _ in range(5):
        if restart:
            driver = Driver(results, **options)
        config = driver.ask()
        if config["task"] == "digits":  # its final run
            driver.finish(config["run_id"], 90.0, test_top1=90.0)
            config = driver.ask()
        assert config["task"] == "location"
        driver.finish(config["run_id"], 50.0)
        rates.append(float(config["hyperparameters"]["lr"]))
    return rates[1:]  # the first is the space's own


def test_a_task_learns_from_what_others_of_its_suite_found(tmp_path: Path) -> None:
    high = rates_of_location(tmp_path / "high", 0.02)
    low = rates_of_location(tmp_path / "low", 0.0003)
    assert min(high[:3]) > max(low[:3])
    assert rates_of_location(tmp_path / "again", 0.02, restart=True) == high
