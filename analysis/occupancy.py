"""How much of the wall time did the runs spend in training and evaluation?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How busy the slots were between the first start and the last end.

    Attributes:
        runs: finished runs that were counted.
        slots: the most runs that were under way at one time.
        wall_seconds: from the first start to the last end, pauses between sessions included.
        step_seconds: the sum over all slots of the time in training and evaluation steps.
    """

    runs: int
    slots: int
    wall_seconds: float
    step_seconds: float

    @property
    def share_pct(self) -> float:
        """Percent of the slots' wall time that was spent in steps."""
        return 100 * self.step_seconds / (self.slots * self.wall_seconds)


def most_at_once(runs: pd.DataFrame) -> int:
    """Count the runs under way at the busiest time.

    Args:
        runs: columns started_at and finished_at. A run that takes over at the very moment another
            ends does not overlap it; one that is not finished, or took no time, is not counted.
    """
    spans = runs[runs["started_at"] < runs["finished_at"]]
    changes = pd.concat(
        [
            pd.DataFrame({"at": spans["started_at"], "change": 1}),
            pd.DataFrame({"at": spans["finished_at"], "change": -1}),
        ]
    )
    # Sorting by the change too lets ends go before starts at the same time.
    running = changes.sort_values(["at", "change"])["change"].cumsum()
    return int(running.max()) if len(running) else 0


def occupancy(runs: pd.DataFrame) -> Occupancy | None:
    """Measure how busy the slots of these runs were.

    Args:
        runs: columns started_at, finished_at, epochs_done and seconds (in training and evaluation
            steps); unfinished runs are left out.

    Returns:
        The measure, or None where no run has finished yet or none has epochs.
    """
    finished = runs[runs["started_at"] < runs["finished_at"]]
    if finished["epochs_done"].sum() == 0:
        return None
    wall = finished["finished_at"].max() - finished["started_at"].min()
    return Occupancy(
        runs=len(finished),
        slots=most_at_once(finished),
        wall_seconds=wall.total_seconds(),
        step_seconds=float(finished["seconds"].sum()),
    )
