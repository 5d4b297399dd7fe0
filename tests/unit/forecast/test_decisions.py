"""What is tried, stopped and gone on with, on curves where the right answer is plain."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sa2vp.forecast.curves import Trial
from sa2vp.forecast.decisions import OPENING, Forecaster, GoOn, New, most_telling
from sa2vp.forecast.earlier import EarlierTask
from search_spaces import Choice, LogUniform

RANGES = {"lr": LogUniform(1e-4, 1e-1), "inter_dim": Choice(8, 16, 32, 64)}
EPOCHS = 8


def reaches(configuration: dict, best: float = 1e-2) -> float:
    """Logit after the last epoch: lr counts, and inter_dim a little."""
    off = math.log10(configuration["lr"] / best)
    return 2.0 - off**2 + 0.1 * math.log2(configuration["inter_dim"])


def curve(configuration: dict, epochs: int = EPOCHS, best: float = 1e-2) -> tuple[float, ...]:
    left = np.log(EPOCHS / np.arange(1, epochs + 1))
    logits = reaches(configuration, best) - 0.4 * left**1.6
    return tuple((100 / (1 + np.exp(-logits))).round(1).tolist())


def make(seed: int = 0, **changes: object) -> Forecaster:
    return Forecaster(RANGES, EPOCHS, 500, seed=seed, task="toy", **changes)  # type: ignore[arg-type]


def done(number: int, lr: float, inter_dim: int = 16) -> Trial:
    configuration = {"lr": lr, "inter_dim": inter_dim}
    return Trial(number, configuration, curve(configuration), "completed")


DONE = [done(n, lr) for n, lr in enumerate((1e-4, 1e-3, 5e-3, 2e-2, 9e-2, 8e-3))]


def under_way(lr: float, epochs: int, state: str = "running") -> Trial:
    configuration = {"lr": lr, "inter_dim": 16}
    return Trial(6, configuration, curve(configuration, epochs), state)  # type: ignore[arg-type]


def test_a_hopeless_trial_is_stopped_and_the_reason_says_its_chance() -> None:
    verdict = make().judge([*DONE, under_way(2e-4, 2)], 6)
    assert verdict.stop
    assert verdict.chance < 0.1
    # the best of the others, lr 8e-3, reaches a logit of 2.39, which is 91.6 %
    assert verdict.best == pytest.approx(91.6, abs=1.5)
    assert str(replace(verdict, chance=0.029, best=91.64)) == "2 % chance to beat 91.6"


def test_a_promising_trial_goes_on_though_it_shows_less_than_finished_ones() -> None:
    trial = under_way(1.1e-2, 1)
    assert trial.accuracies[0] < min(one.accuracies[-1] for one in DONE[1:4])
    assert not make().judge([*DONE, trial], 6).stop


def test_without_others_to_compare_with_none_is_stopped() -> None:
    verdict = make().judge([*DONE[2:4], under_way(1e-4, 3)], 6)
    assert not verdict.stop


def test_what_is_proposed_comes_near_the_best() -> None:
    trials: list[Trial] = []
    forecaster = make()
    for number in range(14):
        found = forecaster.next(trials, number)
        assert isinstance(found, New)
        assert all(found.configuration[name] in range_ for name, range_ in RANGES.items())
        trials.append(Trial(number, found.configuration, curve(found.configuration), "completed"))
    truths = [reaches(trial.configuration) for trial in trials]
    assert max(truths) > 2.5  # of 2.6; of 6 random ones the best reaches 2.3 at the median
    assert np.mean(truths[OPENING:]) > np.mean(truths[:OPENING])


def test_all_of_it_is_a_function_of_the_trials_and_the_seed() -> None:
    trials = [*DONE, under_way(3e-2, 2, "stopped")]
    used = make()
    used.next(DONE, 6)
    used.judge([*DONE, under_way(2e-4, 2)], 6)
    assert used.next(trials, 7) == make().next(trials, 7)
    assert used.judge(trials, 6) == make().judge(trials, 6)
    assert make(seed=1).next(trials, 7) != make().next(trials, 7)


def test_a_stopped_trial_goes_on_once_it_promises_most() -> None:
    # All that finished is poor; the one that was stopped early is near the best.
    poor = [done(n, lr) for n, lr in enumerate((1e-4, 1.2e-4, 1.5e-4, 2e-4, 9e-2, 1e-1))]
    stopped = under_way(1e-2, 7, "stopped")
    assert isinstance(found := make().next([*poor, stopped], 7), GoOn)
    assert found.number == 6
    assert isinstance(make().next([*poor, stopped], 7, stopped=False), New)


def test_once_no_trial_is_left_to_start_only_one_with_a_chance_goes_on() -> None:
    poor = [done(n, lr) for n, lr in enumerate((1e-4, 1.2e-4, 1.5e-4, 2e-4, 9e-2, 1e-1))]
    assert isinstance(make().next([*poor, under_way(1e-2, 4, "stopped")], None), GoOn)
    assert make().next([*DONE, under_way(1e-4, 2, "stopped")], None) is None
    assert make().next(DONE, None) is None


def test_running_trials_are_not_proposed_again() -> None:
    first = make().next(DONE, 6)
    assert isinstance(first, New)
    running = Trial(6, first.configuration, (), "running")
    again = make().next([*DONE, running], 7)
    assert isinstance(again, New)
    assert again.configuration != first.configuration
    # One that has not shown an epoch yet changes what is proposed, and takes its neighbourhood.
    assert make().next(DONE, 7) != again


def test_a_failed_trial_counts_as_a_bad_one() -> None:
    failed = Trial(6, {"lr": 1e-2, "inter_dim": 16}, (88.0,), "failed")
    proposed = make().next([*DONE, failed], 7)
    assert isinstance(proposed, New)
    assert not make().judge([*DONE, failed, replace(under_way(1.1e-2, 1), number=7)], 7).stop


def test_of_many_trials_the_best_and_some_of_all_are_looked_at() -> None:
    many = [Trial(n, {"lr": 1e-3, "inter_dim": 8}, (n % 400 / 4,), "stopped") for n in range(900)]
    kept = most_telling(many, 3)
    assert len(kept) == len({trial.number for trial in kept}) == 150
    numbers = [trial.number for trial in kept]
    assert numbers == sorted(numbers)
    assert {3, 399, 398, 799, 798} < set(numbers)
    assert len([n for n in numbers if n < 300]) > 10
    assert most_telling(many[:150], None) == many[:150]


def earlier(best: float, count: int = 30) -> EarlierTask:
    rng = np.random.default_rng(5)
    configurations = [
        {"lr": float(10 ** rng.uniform(-4, -1)), "inter_dim": int(rng.choice([8, 16, 32, 64]))}
        for _ in range(count)
    ]
    top1 = [curve(one, best=best)[-1] for one in configurations]
    return EarlierTask(RANGES, configurations, [[one] for one in top1], epochs=1, images=500)


def test_what_earlier_tasks_found_is_tried_first() -> None:
    first = make(earlier=[earlier(1e-2), earlier(2e-2)]).next([], 0)
    assert isinstance(first, New)
    assert 5e-3 < first.configuration["lr"] < 4e-2


def test_a_misleading_earlier_task_is_seen_through() -> None:
    misled = make(earlier=[earlier(1e-4)] * 2)
    trials: list[Trial] = []
    for number in range(14):
        found = misled.next(trials, number)
        assert isinstance(found, New)
        trials.append(Trial(number, found.configuration, curve(found.configuration), "completed"))
    assert trials[0].configuration["lr"] < 1e-3
    assert max(reaches(trial.configuration) for trial in trials) > 2.5


def test_an_earlier_task_of_other_hyperparameters_is_passed_over() -> None:
    other = EarlierTask({"lr": RANGES["lr"]}, [{"lr": 1e-3}, {"lr": 1e-2}], [[50], [60]], 1, 100)
    assert make(earlier=[other]).next([], 0) == make().next([], 0)
