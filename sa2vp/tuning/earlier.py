"""What earlier results hold of trials, for a search that learns from them.

Earlier results are those of one's own, or ``shipped``: tasks that were recorded with the demo's
backbone (``benchmarks/ship_tasks.py``).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from sa2vp.config import SearchConfig
from sa2vp.options import OptionError
from sa2vp.suites import SUITES
from search_spaces import Choice, LogUniform, Range, Uniform
from search_spaces.kinds import Configuration, Value

if TYPE_CHECKING:
    from sa2vp.results.schema import RunRow

FEWEST = 5
"""Trials that were trained to the end, without which a task tells nothing."""

MOST_CHOICES = 12
"""Different numbers that a hyperparameter may have and count as a choice among them."""

MOST_IMAGES = 10_000
"""Of a validation split, as far as the noise of its accuracies is concerned."""

SHIPPED = "shipped"
"""Stands for the tasks that come with this project."""

SHIPPED_TASKS = Path(__file__).with_name("shipped_tasks.csv")
TASK, TOP1, IMAGES = "task", "val_top1", "images"
"""Its columns beside the hyperparameters."""


@dataclass(frozen=True)
class EarlierTrials:
    """The trials of a task that were trained to the end.

    Attributes:
        name: suite, task, backbone and method, in words.
        configurations: value of each hyperparameter that was searched.
        val_top1: percent, after the last epoch.
        images: of the validation split.
    """

    name: str
    configurations: Sequence[Configuration]
    val_top1: Sequence[float]
    images: int

    @property
    def ranges(self) -> dict[str, Range]:
        """Give what the values span: the space that was searched is not known."""
        names = self.configurations[0]
        return {name: _spanned([one[name] for one in self.configurations]) for name in names}


def images_of(val_top1: Sequence[float]) -> int:
    """Give the size of a validation split, as far as the steps of its accuracies show it."""
    shares = sorted({round(top1 / 100, 9) for top1 in val_top1})
    steps = [high - low for low, high in pairwise(shares)]
    smallest = min(steps, default=1 / MOST_IMAGES)
    return min(MOST_IMAGES, max(1, round(1 / smallest)))


def _spanned(values: Sequence[Value]) -> Range:
    different = list(dict.fromkeys(values))
    numbers = [float(v) for v in different if isinstance(v, int | float)]
    if len(numbers) < len(different) or len(different) <= MOST_CHOICES:
        return Choice(*(sorted(different) if len(numbers) == len(different) else different))  # type: ignore[type-var]
    low, high = min(numbers), max(numbers)
    return LogUniform(low, high) if low > 0 else Uniform(low, high)


def read_earlier(config: SearchConfig) -> tuple[EarlierTrials, ...]:
    """Read what ``--learn-from`` names; test accuracies are never looked at.

    Args:
        config: of the search.

    Returns:
        A task each, in order of their names.

    Raises:
        OptionError: it cannot be used.
    """
    if config.learn_from is None:
        return ()
    if config.sampler != "forecast":
        raise OptionError("--learn-from", "needs --sampler forecast; TPE learns from its own task")
    # It brings PyArrow with it: loaded only where something is read.
    from sa2vp.results.store import ResultsStore, StoreError  # noqa: PLC0415

    found: list[EarlierTrials] = []
    for place in config.learn_from.split(","):
        if place == SHIPPED:
            # of what it knows of the demo's own tasks, the demo is told nothing
            own = {task.name for task in SUITES[config.suite].tasks}
            found += [one for one in _shipped() if one.name not in own]
            continue
        if ResultsStore(place).uri == ResultsStore(config.results).uri:
            raise OptionError("--learn-from", f"{place} is where this search's results go")
        try:
            some = _finished(ResultsStore(place).read_runs())
        except StoreError as error:
            raise OptionError("--learn-from", str(error)) from error
        if not some:
            raise OptionError(
                "--learn-from", f"{place} has no task with {FEWEST} trials trained to the end"
            )
        found += some
    return tuple(found)


def _shipped() -> list[EarlierTrials]:
    found = []
    with SHIPPED_TASKS.open(newline="") as file:
        for task, of_task in groupby(csv.DictReader(file), key=lambda row: row[TASK]):
            rows = list(of_task)
            names = [name for name in rows[0] if name not in {TASK, TOP1, IMAGES}]
            found.append(
                EarlierTrials(
                    task,
                    [{name: _number(row[name]) for name in names} for row in rows],
                    [float(row[TOP1]) for row in rows],
                    int(rows[0][IMAGES]),
                )
            )
    return found


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _finished(rows: Iterable[RunRow]) -> list[EarlierTrials]:
    trials: Mapping[tuple[str, ...], list[tuple[Configuration, float]]] = defaultdict(list)
    for row in rows:
        if (row.phase, row.status) == ("search", "completed") and row.last_val_top1 is not None:
            name = (row.suite, row.task, row.backbone, row.method, row.searched)
            trials[name].append((row.configuration, row.last_val_top1))
    found = []
    for (*words, _), known in sorted(trials.items()):
        if len(known) >= FEWEST:
            configurations, top1 = zip(*known, strict=True)
            found.append(EarlierTrials(" ".join(words), configurations, top1, images_of(top1)))
    return found


def digest_of(earlier: Sequence[EarlierTrials]) -> str | None:
    """Give a digest of all that is learned from; None where that is nothing."""
    if not earlier:
        return None
    told = json.dumps([asdict(one) for one in earlier], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
