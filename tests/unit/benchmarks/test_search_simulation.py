"""The accounting of simulated searches, on ways and curves made by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
import pytest
from comparison.replays import Trial
from comparison.scores import as_frame, score, summarise
from comparison.simulation import Problem, Result, Verdict, Way, simulate
from comparison.ways import WAYS, OneEpoch, be_quiet
from optuna.samplers import RandomSampler

from search_spaces import Choice, LogUniform, TaskSpace

be_quiet()
NAN = math.nan


class Shown:
    """Shows given curves of top-1 in the order in which trials are started."""

    def __init__(self, truths: Sequence[float], curves: Sequence[Sequence[float]]) -> None:
        self._trials = iter(zip(truths, curves, strict=True))
        self.configurations: list[Mapping[str, Any]] = []

    def trial(self, configuration: Mapping[str, Any]) -> Trial:
        self.configurations.append(configuration)
        truth, top1 = next(self._trials)
        return Trial(truth, np.array([top1, [0.0] * len(top1)]).T)


class Scripted(Way):
    """Does what it is told: new trials (None) or paused ones by number, and a verdict for each."""

    def __init__(
        self,
        script: Sequence[int | None],
        verdicts: Mapping[tuple[int, int], Verdict] | None = None,
    ) -> None:
        super().__init__()
        self._script: Iterator[int | None] = iter(script)
        self._verdicts = verdicts or {}
        self.seen: list[tuple[int, int, float]] = []

    def suggest(self, number: int | None) -> Mapping[str, Any] | int | None:
        step = next(self._script, -1)
        if step == -1 or (step is None and number is None):
            return None
        return {"x": number} if step is None else step

    def decide(self, number: int, result: Result) -> Verdict:
        self.seen.append((number, result.epoch, result.val_top1))
        return self._verdicts.get((number, result.epoch), "continue")


def problem(epochs: int, **ranges: Any) -> Problem:
    return Problem("toy", TaskSpace(ranges or {"x": Choice(*range(9))}, ()), epochs, 200)


def test_a_search_is_scored_by_what_it_would_choose_and_not_by_what_it_has_tried() -> None:
    # the good one is shown as worse than the third, which is chosen in its place
    shown = Shown([50.0, 80.0, 79.0], [[40.0, 50.0], [60.0, 78.0], [60.0, 79.5]])
    choices = list(simulate(Scripted([None] * 3), problem(2), shown, slots=1, trials=None))
    assert choices == [None, 50, 50, 80, 80, 79]
    found = score(choices, best=80.0, guess=60.0, epochs=2)
    assert (found.epochs, found.found) == (4, True)
    assert found.regrets == (0, 1, 1, 1)  # after 4 epochs; the others at the search's end


def test_nothing_chosen_counts_as_a_guess_and_the_second_of_two_slots_costs_epochs() -> None:
    shown = Shown([50.0, 79.8], [[40.0] * 3, [60.0] * 3])
    choices = list(simulate(Scripted([None] * 2), problem(3), shown, slots=2, trials=None))
    assert choices == [None, None, None, None, 50, 79.8]
    assert score([*choices[:2], *choices[4:]], best=80.0, guess=60.0, epochs=1) == score(
        [None, None, 50, 79.8], best=80.0, guess=60.0, epochs=1
    )
    found = score([None, None, 50, 79.8], best=80.0, guess=60.0, epochs=1)
    assert found.regrets == pytest.approx((20, 0.2, 0.2, 0.2))
    assert (found.epochs, found.found) == (4, True)


def test_a_paused_trial_goes_on_from_where_it_stopped() -> None:
    shown = Shown([80.0, 50.0], [[10.0, 20.0, 80.0], [30.0, 40.0, 50.0]])
    way = Scripted([None, None, 0], {(0, 1): "pause", (1, 2): "stop"})
    choices = list(simulate(way, problem(3), shown, slots=1, trials=None))
    assert way.seen == [(0, 1, 10), (1, 1, 30), (1, 2, 40), (0, 2, 20), (0, 3, 80)]
    assert choices == [None, None, None, None, 80]
    for script, verdict in (([None, 0], "stop"), ([None, 5], "pause")):
        way = Scripted(script, {(0, 1): verdict})
        shown = Shown([80.0], [[10.0, 20.0, 80.0]])
        with pytest.raises(ValueError, match="is not paused"):
            list(simulate(way, problem(3), shown, slots=1, trials=None))


def test_a_failed_trial_ends_and_is_never_chosen() -> None:
    shown = Shown([80.0, 50.0], [[10.0, NAN, NAN], [30.0, 40.0, 50.0]])
    way = Scripted([None, None])
    assert list(simulate(way, problem(3), shown, 1, None)) == [None] * 4 + [50]


def test_equal_accuracies_are_decided_by_the_loss() -> None:
    way = Scripted([])
    way.report(0, Result(2, 2, 70.0, 0.9))
    way.report(1, Result(2, 2, 70.0, 0.8))
    way.report(2, Result(1, 2, 90.0, 0.1))
    assert way.choose() == 1


def test_a_search_gives_up_after_forty_trainings_and_where_a_table_is_used_up() -> None:
    endless = score(repeat(70.0), best=80.0, guess=0.0, epochs=3)
    assert (endless.epochs, endless.found) == (120, False)
    short = score([70.0] * 5, best=80.0, guess=0.0, epochs=3)
    assert (short.epochs, short.found, short.regrets) == (120, False, (10, 10, 10, 10))
    good_too_late = score([*repeat(70.0, 120), 80.0], best=80.0, guess=0.0, epochs=3)
    assert not good_too_late.found
    shown = Shown([70.0] * 2, [[70.0]] * 2)
    way = Scripted([None] * 9)
    assert len(list(simulate(way, problem(1), shown, slots=4, trials=2))) == 2


def test_one_epoch_continues_the_best_three_of_a_round() -> None:
    be_quiet()
    first = [10.0, 60.0, 20.0, 50.0, 40.0, 30.0]
    shown = Shown([0.0] * 12, [[top1, 99.0] for top1 in [*first, *first]])
    way = OneEpoch(problem(2, x=LogUniform(1, 2)), RandomSampler(0))
    reported: list[tuple[int, int]] = []
    decide = way.decide

    def noting(number: int, result: Result) -> Verdict:
        reported.append((number, result.epoch))
        return decide(number, result)

    way.decide = noting  # type: ignore[method-assign]
    list(simulate(way, problem(2), shown, slots=1, trials=8))
    assert reported[:6] == [(number, 1) for number in range(6)]
    # the second round has two trials left
    assert [number for number, epoch in reported if epoch == 2] == [1, 3, 4, 7, 6]
    assert len(reported) == 8 + 3 + 2


def test_ways_of_the_same_seed_draw_the_same_random_configurations() -> None:
    space = {"x": LogUniform(1, 2), "y": Choice(1, 2, 3)}
    drawn = {}
    for name in ("random", "random-asha", "one-epoch"):
        for seed in (0, 1):
            shown = Shown([0.0] * 9, [[50.0 + n, 60.0 + n] for n in range(9)])
            list(simulate(WAYS[name](problem(2, **space), seed), problem(2, **space), shown, 1, 6))
            drawn[name, seed] = shown.configurations
    for name in ("random-asha", "one-epoch"):
        assert drawn[name, 0] == drawn["random", 0]
    assert drawn["random", 1] != drawn["random", 0]


def test_the_difference_of_paired_searches_has_an_interval() -> None:
    scores = {
        "ours": pd.DataFrame({"epochs": [10.0, 20.0], "found": [1.0, 1.0]}),
        "other": pd.DataFrame({"epochs": [14.0, 28.0], "found": [1.0, 0.0]}),
    }
    regrets = as_frame([score([70.0], 80.0, 0.0, 1)] * 2).filter(like="regret")
    rows = summarise("toy", {w: pd.concat([f, regrets], axis=1) for w, f in scores.items()}, "ours")
    other = rows[1]
    assert (other["way"], other["searches"], other["epochs"], other["found"]) == (
        "other", 2, 21, 0.5,
    )  # fmt: skip
    assert other["epochs_error"] == pytest.approx(7)
    assert other["epochs_difference"] == pytest.approx(6)
    # standard error 2, and 12.706 of them on either side with one degree of freedom
    assert other["epochs_difference_low"] == pytest.approx(6 - 25.412, abs=1e-3)
    assert other["epochs_difference_high"] == pytest.approx(6 + 25.412, abs=1e-3)
    assert rows[0]["epochs_difference_high"] == 0
