"""ASHA's decisions worked out by hand: 10 epochs, rungs at 2 and 6, a third goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler
from rows import epoch_row

from sa2vp.tuning.asha import PerTaskASHA, grace_epochs

GO_ON, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


def trial(number: int, *, task: str = "digits", phase: str = "search") -> Any:
    run_id = f"demo-{task}-{phase}-{number:04d}"
    return SimpleNamespace(config={"run_id": run_id, "task": task, "phase": phase})


def decide(asha: PerTaskASHA, which: Any, epoch: int, val_top1: float) -> str:
    return asha.on_trial_result(None, which, {"epoch": epoch, "val_top1": val_top1})


@pytest.mark.parametrize(("epochs", "grace"), [(1, 1), (4, 1), (8, 2), (10, 2), (100, 20)])
def test_no_trial_is_stopped_before_twice_the_warm_up(epochs: int, grace: int) -> None:
    assert grace_epochs(epochs) == grace


def test_the_first_rung_keeps_what_is_above_two_thirds_of_the_others() -> None:
    asha = PerTaskASHA(["digits"], epochs=10)
    assert decide(asha, trial(0), 1, 0.0) == GO_ON  # before the rung
    assert decide(asha, trial(0), 2, 60.0) == GO_ON  # nothing to compare with
    assert decide(asha, trial(1), 2, 50.0) == STOP  # below 60
    assert decide(asha, trial(2), 2, 70.0) == GO_ON  # 2/3 of the way from 50 to 60 is 56.7
    assert decide(asha, trial(3), 2, 61.0) == STOP  # of 50, 60, 70: 60 + 1/3 * 10 = 63.3
    assert decide(asha, trial(0), 3, 0.0) == GO_ON  # between rungs
    assert decide(asha, trial(0), 6, 65.0) == GO_ON  # the second rung, on its own
    assert decide(asha, trial(2), 6, 64.0) == STOP
    assert decide(asha, trial(0), 10, 0.0) == GO_ON  # the trial itself says that it is done


def test_tasks_are_never_compared() -> None:
    asha = PerTaskASHA(["digits", "location"], epochs=10)
    assert decide(asha, trial(0), 2, 90.0) == GO_ON
    assert decide(asha, trial(0, task="location"), 2, 10.0) == GO_ON


def test_final_runs_are_never_stopped() -> None:
    asha = PerTaskASHA(["digits"], epochs=10)
    assert decide(asha, trial(0), 2, 90.0) == GO_ON
    assert decide(asha, trial(1, phase="final"), 2, 10.0) == GO_ON


def test_rungs_rebuilt_from_results_decide_as_before() -> None:
    asha = PerTaskASHA(["digits"], epochs=10)
    recorded = {0: [10.0, 60.0, 61.0], 1: [9.0, 50.0], 2: [8.0, 70.0]}
    for number, accuracies in recorded.items():
        run_id = f"demo-digits-search-{number:04d}"
        rows = [epoch_row(run_id, e, a) for e, a in enumerate(accuracies, start=1)]
        asha.replay("digits", rows)
    assert decide(asha, trial(3), 2, 61.0) == STOP
    assert decide(asha, trial(4), 2, 64.0) == GO_ON


def test_a_continued_run_takes_part_in_a_rung_once() -> None:
    asha = PerTaskASHA(["digits"], epochs=10)
    rows = [epoch_row("demo-digits-search-0000", e, 60.0) for e in (1, 2, 3)]
    asha.replay("digits", rows)
    asha.replay("digits", [epoch_row("demo-digits-search-0001", 2, 80.0)])
    # Continued from an earlier checkpoint: its epoch 3 must not enter the rung of epoch 2 again,
    # where it would now be below the cutoff of 73.3.
    assert decide(asha, trial(0), 3, 60.0) == GO_ON


def test_a_decision_to_stop_holds_when_its_epoch_is_trained_again() -> None:
    asha = PerTaskASHA(["digits"], epochs=10)
    assert decide(asha, trial(0), 2, 60.0) == GO_ON
    assert decide(asha, trial(1), 2, 50.0) == STOP
    assert decide(asha, trial(1), 1, 40.0) == GO_ON  # its worker was lost, and epoch 2 with it
    assert decide(asha, trial(1), 2, 50.0) == STOP
    again = PerTaskASHA(["digits"], epochs=10)
    again.replay("digits", [epoch_row("demo-digits-search-0001", 2, 50.0, decision="stop")])
    assert decide(again, trial(1), 2, 50.0) == STOP


def test_brackets_take_turns_and_begin_a_rung_apart() -> None:
    asha = PerTaskASHA(["digits"], epochs=10, brackets=2)
    assert decide(asha, trial(0), 2, 60.0) == GO_ON
    assert decide(asha, trial(1), 2, 10.0) == GO_ON  # the second bracket begins at epoch 6
    assert decide(asha, trial(2), 2, 50.0) == STOP  # compared with trial 0
    assert decide(asha, trial(1), 6, 70.0) == GO_ON  # on its own
    assert decide(asha, trial(3), 6, 60.0) == STOP  # compared with trial 1
    assert decide(asha, trial(0), 6, 10.0) == GO_ON  # alone in the first bracket
