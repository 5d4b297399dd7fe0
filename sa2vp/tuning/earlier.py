"""What earlier results hold of trials, for a search that learns from them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sa2vp.config import SearchConfig
from sa2vp.options import OptionError
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


@dataclass(frozen=True)
class EarlierTrials:
    """The trials of a task that were trained to the end.

    Attributes:
        name: suite, task, backbone and method, in words.
        configurations: value of each hyperparameter that was searched.
        val_top1: percent, after the last epoch.
    """

    name: str
    configurations: Sequence[Configuration]
    val_top1: Sequence[float]

    @property
    def ranges(self) -> dict[str, Range]:
        """Give what the values span: the space that was searched is not known."""
        names = self.configurations[0]
        return {name: _spanned([one[name] for one in self.configurations]) for name in names}

    @property
    def images(self) -> int:
        """Give the size of the validation split, as far as the steps of its accuracies show it."""
        shares = sorted({round(top1 / 100, 9) for top1 in self.val_top1})
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


def _finished(rows: Iterable[RunRow]) -> list[EarlierTrials]:
    trials: Mapping[tuple[str, ...], list[tuple[Configuration, float]]] = defaultdict(list)
    for row in rows:
        if (row.phase, row.status) == ("search", "completed") and row.last_val_top1 is not None:
            name = (row.suite, row.task, row.backbone, row.method, row.searched)
            trials[name].append((row.configuration, row.last_val_top1))
    return [
        EarlierTrials(" ".join(name[:-1]), *zip(*known, strict=True))
        for name, known in sorted(trials.items())
        if len(known) >= FEWEST
    ]


def digest_of(earlier: Sequence[EarlierTrials]) -> str | None:
    """Give a digest of all that is learned from; None where that is nothing."""
    if not earlier:
        return None
    told = json.dumps([asdict(one) for one in earlier], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
