"""Slots and the share of wall time in steps, on spans drawn by hand."""

import pandas as pd
import pytest
from synthetic_results import run_row, runs_frame

from analysis.occupancy import most_at_once, occupancy


def spans(*begin_and_minutes: tuple[float, float | None]) -> pd.DataFrame:
    return runs_frame(
        [
            run_row(f"demo-digits-search-{number}", begin=begin, minutes=minutes)
            for number, (begin, minutes) in enumerate(begin_and_minutes)
        ]
    )


@pytest.mark.parametrize(
    ("runs", "slots"),
    [
        (spans(), 0),
        (spans((0, 10)), 1),
        (spans((0, 10), (10, 10), (20, 10)), 1),  # each takes over from the one before
        (spans((0, 10), (9, 10)), 2),
        (spans((0, 30), (5, 10), (15, 10), (20, 2)), 3),
        (spans((0, 10), (5, 0)), 1),  # took no time
        (spans((0, 10), (5, None)), 1),  # not finished
    ],
)
def test_slots_are_the_most_runs_at_once(runs: pd.DataFrame, slots: int) -> None:
    assert most_at_once(runs) == slots


def test_share_is_step_time_over_the_slots_wall_time() -> None:
    # Two slots for 20 minutes are 2400 s; three finished runs trained 2 x 300 s each, so 75 %.
    runs = spans((0, 10), (0, 20), (10, 10), (12, None)).assign(seconds=600.0)
    busy = occupancy(runs)
    assert busy is not None
    assert (busy.runs, busy.slots, busy.wall_seconds) == (3, 2, 1200.0)
    assert busy.share_pct == pytest.approx(75.0)


def test_without_a_finished_run_there_is_no_share() -> None:
    runs = spans((0, None))
    assert occupancy(runs) is None
    assert occupancy(spans((0, 10)).assign(epochs_done=0)) is None
