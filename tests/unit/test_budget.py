"""The end of a task's search in epochs or time, against sums worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from driver import DIGITS, FINALS, TRIALS, Driver
from rows import metrics

from sa2vp.budget import Budget
from sa2vp.config import SearchConfig


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("400ep", Budget(epochs=400)),
        ("90s", Budget(seconds=90)),
        ("30m", Budget(seconds=1800)),
        ("2h", Budget(seconds=7200)),
    ],
)
def test_a_budget_is_read(text: str, budget: Budget) -> None:
    assert Budget.of(text) == budget


@pytest.mark.parametrize("text", ["", "30", "0m", "-5ep", "1.5h", "5 x", "9999999999s"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 400ep, 90s, 30m or 2h"):
        Budget.of(text)


def test_without_a_number_of_trials_the_budget_alone_ends_a_search() -> None:
    assert SearchConfig(suite="demo").trials == 12
    assert SearchConfig(suite="demo", budget="30m").trials > 10_000
    assert SearchConfig(suite="demo", budget="30m", trials=5).trials == 5


def test_no_trial_begins_once_the_epochs_are_spent(tmp_path: Path) -> None:
    # Trials of 10 epochs: after two of them 20 are done, and 15 are reached.
    assert Driver(tmp_path, **(DIGITS | {"budget": "15ep"})).run_all({}) == [*TRIALS[:2], *FINALS]
    # A larger budget extends the search, to the number of trials.
    assert Driver(tmp_path, **(DIGITS | {"budget": "500ep"})).run_all({}) == [TRIALS[2]]


def test_an_interrupted_trial_ends_though_the_budget_is_spent(tmp_path: Path) -> None:
    options = DIGITS | {"budget": "2ep"}
    run_id = Driver(tmp_path, **options).ask()["run_id"]
    first = Driver(tmp_path, **options)
    for epoch in (1, 2):
        first.record.report(run_id, metrics(epoch, 50.0))
    assert Driver(tmp_path, **options).run_all({}) == [TRIALS[0], *FINALS]


def test_time_left_is_told_in_epochs() -> None:
    assert Budget(seconds=60).epochs_left((), pace=3.0) == 20
    assert Budget(epochs=7).epochs_left((), pace=3.0) == 7
