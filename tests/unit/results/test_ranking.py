"""The choice of the best, worked out by hand."""

from __future__ import annotations

from typing import Any

from sa2vp.results.ranking import Outcome, rank


def trial(name: str, val_top1: float, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "run_id": name,
        "phase": "search",
        "configuration": name,
        "status": "completed",
        "val_top1": val_top1,
        "val_loss": 1.0,
        "trainable_params": 100,
    }
    return Outcome(**(values | changes))


def repeat(of: str, val_top1: float, **changes: Any) -> Outcome:
    return trial(f"{of}-again", val_top1, phase="confirm", configuration=of, **changes)


def test_accuracy_then_loss_then_parameters_then_name() -> None:
    trials = [
        trial("b", 90.0),
        trial("a", 90.0),
        trial("small", 90.0, trainable_params=50),
        trial("certain", 90.0, val_loss=0.5),
        trial("right", 91.0, val_loss=2.0),
    ]
    assert rank(trials) == ["right", "certain", "small", "a", "b"]


def test_only_trials_that_ran_to_the_end_compete() -> None:
    others = [
        trial(status, 99.0, status=status, configuration=status)
        for status in ("running", "stopped", "failed")
    ]
    assert rank([*others, trial("done", 10.0)]) == ["done"]
    assert rank(others) == []


def test_means_over_the_repeats_decide_between_confirmed_trials() -> None:
    runs = [trial("a", 95.0), trial("b", 94.0), repeat("a", 89.0), repeat("b", 92.0)]
    assert rank(runs) == ["b", "a"]  # 93 before 92
    assert rank(runs[:3]) == ["a", "b"]  # b was not confirmed: its 94 is one lucky run, perhaps
    assert rank([*runs, repeat("a", 50.0, status="running")]) == ["b", "a"]


def test_a_trial_found_later_that_is_better_than_all_confirmed_ones_competes() -> None:
    runs = [trial("a", 94.0), repeat("a", 92.0), trial("new", 96.0), trial("weak", 93.5)]
    assert rank(runs) == ["new", "a", "weak"]


def test_a_repeat_that_failed_counts_against_its_configuration() -> None:
    runs = [trial("a", 95.0), trial("b", 94.0), repeat("b", 93.5)]
    diverged = [repeat("a", 95.0, status="failed"), repeat("a", 95.0)]
    assert rank([*runs, *diverged]) == ["b", "a"]
    assert rank([*runs, diverged[1]]) == ["a", "b"]
