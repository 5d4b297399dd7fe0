"""Searches in simulated time: a few trials at a time, an epoch taking the same time in each."""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from comparison.replays import Draws, Trial
from sa2vp.forecast.earlier import EarlierTask
from sa2vp.results.ranking import Outcome, rank
from search_spaces import TaskSpace

Verdict = Literal["continue", "stop", "pause"]


@dataclass(frozen=True)
class Problem:
    """What a way to search is told of a task.

    Attributes:
        task: name of the task.
        space: what is searched.
        epochs: of a whole training.
        images: of the validation split, as far as its accuracies show.
        earlier: other tasks that a way may learn from.
    """

    task: str
    space: TaskSpace
    epochs: int
    images: int
    earlier: tuple[EarlierTask, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a trial reports after an epoch.

    Attributes:
        epoch: number of epochs done.
        epochs_planned: number of epochs of a whole training.
        val_top1: percent; NaN where the run failed.
        val_loss: likewise.
    """

    epoch: int
    epochs_planned: int
    val_top1: float
    val_loss: float

    @property
    def failed(self) -> bool:
        """Whether the run failed in this epoch."""
        return math.isnan(self.val_top1)

    @property
    def finished(self) -> bool:
        """Whether the run reached its end."""
        return self.epoch == self.epochs_planned and not self.failed


class Way(ABC):
    """A way to search, as a user would run it on one task."""

    def __init__(self) -> None:
        self._finished: dict[str, Outcome] = {}
        self._chosen: int | None = None

    @abstractmethod
    def suggest(self, number: int | None) -> Mapping[str, Any] | int | None:
        """Say what a free slot does.

        Args:
            number: that a new trial would get; None if no more can be started.

        Returns:
            The configuration of a new trial; or the number of a paused one, which goes on from
            where it stopped; or None to leave the slot free until another epoch has ended.
        """

    @abstractmethod
    def decide(self, number: int, result: Result) -> Verdict:
        """Take an epoch in and decide on its trial.

        Where the trial finished or failed, it has ended whatever is decided.
        """

    def report(self, number: int, result: Result) -> Verdict:
        """Tell the way of an epoch of a trial."""
        if result.finished:
            self._finished[str(number)] = Outcome(
                run_id=f"{number:09}", phase="search", configuration=number, status="completed",
                val_top1=result.val_top1, val_loss=result.val_loss, trainable_params=None,
            )  # fmt: skip
            self._chosen = int(rank(self._finished.values())[0])
        return self.decide(number, result)

    def choose(self) -> int | None:
        """Give the number of the trial whose configuration would be chosen now.

        By default the project's own rule (``sa2vp.results.ranking``) among the finished trials;
        None as long as there is none.
        """
        return self._chosen


@dataclass
class _Running:
    trial: Trial
    epochs: int = 0
    paused: bool = False


def simulate(
    way: Way, problem: Problem, draws: Draws, slots: int, trials: int | None
) -> Iterator[float | None]:
    """Search until nothing more can be done; stop iterating to end the search earlier.

    Args:
        way: to search.
        problem: what is searched.
        draws: what configurations show.
        slots: number of trials at a time.
        trials: number of trials that can be started; None for any.

    Yields:
        After each epoch trained, the truth of the configuration that the way would choose then;
        None where it would choose none.

    Raises:
        ValueError: the way continues a trial that is not paused.
    """
    started: dict[int, _Running] = {}
    running: list[tuple[int, int]] = []  # end of the epoch under way, number of the trial
    now = 0
    while True:
        while len(running) < slots:
            number = _next(way, draws, started, trials)
            if number is None:
                break
            heapq.heappush(running, (now + 1, number))
        if not running:
            return
        now, number = heapq.heappop(running)
        one = started[number]
        one.epochs += 1
        top1, log_loss = one.trial.curve[one.epochs - 1].tolist()
        result = Result(one.epochs, problem.epochs, top1, math.exp(log_loss))
        verdict = way.report(number, result)
        if not result.failed and one.epochs < problem.epochs:
            one.paused = verdict == "pause"
            if verdict == "continue":
                heapq.heappush(running, (now + 1, number))
        chosen = way.choose()
        yield None if chosen is None else started[chosen].trial.truth


def _next(way: Way, draws: Draws, started: dict[int, _Running], trials: int | None) -> int | None:
    """Start or continue a trial."""
    new = len(started)
    suggested = way.suggest(new if trials is None or new < trials else None)
    if isinstance(suggested, int):
        if suggested not in started or not started[suggested].paused:
            raise ValueError(f"trial {suggested} is not paused and cannot go on")
        started[suggested].paused = False
        return suggested
    if suggested is None or new == trials:
        return None
    started[new] = _Running(draws.trial(suggested))
    return new
