"""What Optuna is told, and that a continued search suggests what an uninterrupted one would."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import TrialState
from rows import metrics

from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.task_search import TaskSearch
from search_spaces import SPACES

SPACE = SPACES["demo"]["digits"]


def make_search(seed: int = 0) -> TaskSearch:
    return TaskSearch(for_optuna(SPACE.ranges), task="digits", seed=seed)


def score(setting: dict[str, Any]) -> float:
    """Prefer a large learning rate, so that TPE has something to find."""
    return 50 + 1000 * setting["lr"]


def run_trials(search: TaskSearch, numbers: range) -> list[dict[str, Any]]:
    """Complete every third trial, fail none, stop the others after epoch 2."""
    settings = []
    for number in numbers:
        setting = search.suggest_configuration(f"t{number}", number)
        settings.append(setting)
        search.on_trial_result(f"t{number}", metrics(1, 20.0))
        last = metrics(10, score(setting)) if number % 3 == 0 else metrics(2, 30.0)
        search.on_trial_complete(f"t{number}", last)
    return settings


def test_stopped_trials_are_pruned_with_their_epochs_and_failed_ones_failed() -> None:
    search = make_search()
    run_trials(search, range(2))
    search.suggest_configuration("t2", 2)
    search.on_trial_complete("t2", {"epoch": 1, "epochs_planned": 10, "failure": "diverged"})
    search.suggest_configuration("t3", 3)
    search.on_trial_complete("t3", None, error=True)
    complete, pruned, diverged, lost = search._ot_study.trials
    assert complete.state == TrialState.COMPLETE
    assert (pruned.state, pruned.intermediate_values) == (TrialState.PRUNED, {1: 20.0, 2: 30.0})
    assert {diverged.state, lost.state} == {TrialState.FAIL}
    assert search._ot_study.best_trial.number == 0


def test_a_given_setting_is_tried_as_it_is() -> None:
    assert make_search().suggest_configuration("t0", 0, SPACE.initial[0]) == dict(SPACE.initial[0])


@pytest.mark.parametrize("interrupted_after", [1, 6, 11])
def test_a_search_rebuilt_from_results_goes_on_as_it_would_have(interrupted_after: int) -> None:
    whole = run_trials(make_search(), range(14))
    rebuilt = make_search()
    for number, setting in enumerate(whole[:interrupted_after]):
        if number % 3 == 0:
            rebuilt.add_finished(setting, "completed", [20.0, score(setting)])
        else:
            rebuilt.add_finished(setting, "stopped", [20.0, 30.0])
    assert run_trials(rebuilt, range(interrupted_after, 14)) == whole[interrupted_after:]


def test_the_seed_and_the_task_decide_the_suggestions() -> None:
    other_task = TaskSearch(for_optuna(SPACE.ranges), task="location", seed=0)
    suggestions = [
        search.suggest_configuration("t", 7)
        for search in (make_search(0), make_search(1), other_task)
    ]
    assert suggestions[0] == make_search(0).suggest_configuration("t", 7)
    assert len({setting["lr"] for setting in suggestions}) == 3


def test_tpe_moves_towards_what_worked() -> None:
    settings = run_trials(make_search(), range(40))
    early, late = ([s["lr"] for s in part] for part in (settings[:5], settings[-10:]))
    assert sum(late) / len(late) > sum(early) / len(early)


def test_suggestions_side_by_side_do_not_collapse_on_one_point() -> None:
    search = make_search()
    run_trials(search, range(30))
    rates = [search.suggest_configuration(f"open{n}", 100 + n)["lr"] for n in range(8)]
    assert len(set(rates)) == 8
    # A factor of 3 between them at the least; it is 2.4 where open trials are not reckoned with.
    assert max(rates) / min(rates) > 3
