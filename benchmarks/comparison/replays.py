"""What a configuration is taken to reach in a simulated search, and how well that is known.

Three replays of the same table stand side by side, since each flatters the searches that resemble
it: ``lookup`` gives the recorded curves themselves, ``gp`` a smooth fit by Gaussian processes,
``trees`` a forest's. A difference between two searches counts where all three show it.

The *truth* of a configuration, by which a search is judged and which it never sees, is the mean of
what its training would reach after the last epoch over all seeds. In the fitted replays it is the
fit. In the lookup it lies between the mean over the recorded seeds and what the models expect from
the other configurations, the nearer to the mean the less its seeds differ and the worse the models
are: a single recorded accuracy that is the best of two hundred was lucky, too.

What a search sees in the fitted replays is the fit plus noise, rounded to whole images. The noise
of a run is a whole curve: how one recorded run of a repeated configuration differed from the mean
over its seeds. It is drawn from the runs of the configurations whose last top-1 is nearest, since
good configurations differ less. Where no configuration was repeated, it is what the Gaussian
processes left of the recorded curves, which is too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from comparison.surrogates import CurveModel, GaussianProcesses, Nearest, Trees
from comparison.tables import TaskTable, place
from search_spaces import Choice

FOLDS = 5
"""Each fifth of the configurations is held out once."""

FEWEST = 16
"""Tasks with fewer configurations are not replayed: nothing could be held out."""

NEIGHBOURS = 20
"""Of the runs that noise is drawn from, and of the configurations that a model's error is of."""

DRAWN = 4096
"""Places of the space among which the best of a fitted replay is looked for."""


@dataclass(frozen=True)
class Trial:
    """What a configuration shows in one search.

    Attributes:
        truth: percent.
        curve: ``(epochs, 2)``, validation top-1 and log loss; NaN from a failure on.
    """

    truth: float
    curve: NDArray[np.float64]


class Draws(Protocol):
    """A replay in one search."""

    def trial(self, configuration: Mapping[str, Any]) -> Trial:
        """Show a configuration."""


class Replay(Protocol):
    """A replay of a task."""

    @property
    def trials(self) -> int | None:
        """Number of configurations that a search can try; None for any."""

    @property
    def best(self) -> float:
        """Highest truth, in percent."""

    @property
    def guess(self) -> float:
        """Mean truth, in percent."""

    def draws(self, seed: int) -> Draws:
        """Begin a search; those of the same seed are shown the same of a configuration."""


@dataclass(frozen=True)
class HeldOut:
    """How well a replay foretells configurations that it was not made from.

    Attributes:
        rank: Spearman's correlation of predicted and recorded last top-1.
        error: root mean square of their difference, in percent.
        within: share of recorded values inside the predicted 80 % interval.
    """

    rank: float
    error: float
    within: float


class Noise:
    """Differences between runs of the same configuration, as whole curves."""

    def __init__(self, levels: NDArray[np.float64], curves: NDArray[np.float64]) -> None:
        self._levels, self.curves = levels, curves

    @classmethod
    def of(cls, table: TaskTable, fitted: NDArray[np.float64]) -> Noise:
        """Take the differences from the repeated configurations, or else from the fit."""
        levels, curves = [], []
        for runs in table.completed_runs:
            if len(runs) > 1:
                mean = runs.mean(axis=0)
                levels += [mean[-1, 0]] * len(runs)
                curves += [*(runs - mean) * np.sqrt(len(runs) / (len(runs) - 1))]
        if not curves:
            return cls(table.means[:, -1, 0], table.means - fitted)
        return cls(np.array(levels), np.stack(curves))

    def near(self, top1: float) -> NDArray[np.float64]:
        """Give the differences of runs that reached about as much, ``(n, epochs, 2)``."""
        order = np.argsort(np.abs(self._levels - top1), kind="stable")
        near: NDArray[np.float64] = self.curves[order[:NEIGHBOURS]]
        return near

    def variance(self, top1: float) -> float:
        """Give the variance of the last top-1."""
        return float(np.mean(self.near(top1)[:, -1, 0] ** 2))


class Fitted:
    """The mean curves that a model predicts, and noise."""

    trials: int | None = None

    def __init__(self, table: TaskTable, model: CurveModel, noise: Noise) -> None:
        self.table, self.model, self.noise = table, model, noise
        everywhere = self.top1(self._drawn_places())
        self.best = float(max(everywhere.max(), self.top1(table.places).max()))
        self.guess = float(everywhere.mean())

    def top1(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the truths of places."""
        return np.clip(self.model.curves(places)[:, -1, 0], 0, 100)

    def _drawn_places(self) -> NDArray[np.float64]:
        rng = np.random.default_rng(0)
        columns = []
        for within in self.table.space.ranges.values():
            if isinstance(within, Choice):
                last = max(1, len(within.values) - 1)
                columns.append(rng.integers(len(within.values), size=DRAWN) / last)
            else:
                columns.append(rng.random(DRAWN))
        return np.stack(columns, axis=1)

    def draws(self, seed: int) -> FittedDraws:
        """Begin a search."""
        return FittedDraws(self, seed)


class FittedDraws:
    """A search on a fit."""

    def __init__(self, replay: Fitted, seed: int) -> None:
        self._replay, self._seed = replay, seed

    def trial(self, configuration: Mapping[str, Any]) -> Trial:
        """Show a configuration: always the same in searches of the same seed."""
        replay = self._replay
        at = place(configuration, replay.table.space)[None]
        true = replay.model.curves(at)[0]
        truth = float(np.clip(true[-1, 0], 0, 100))
        near = replay.noise.near(truth)
        name = f"{self._seed}/{replay.table.task}/{at.round(9).tolist()}"
        curve = true + near[crc32(name.encode()) % len(near)]
        curve[:, 0] = np.clip(curve[:, 0], 0, 100)
        if replay.table.step:
            curve[:, 0] = np.round(curve[:, 0] / replay.table.step) * replay.table.step
        return Trial(truth, curve)


class Lookup:
    """The recorded curves: of the nearest configuration that this search has not tried yet."""

    def __init__(self, table: TaskTable, expected: NDArray[np.float64], noise: Noise) -> None:
        self.table, self.noise = table, noise
        self.trials = len(table.runs)
        self.truths = _shrunken(table, expected, noise)
        self.best = float(self.truths.max())
        self.guess = float(self.truths.mean())

    def draws(self, seed: int) -> LookupDraws:
        """Begin a search."""
        return LookupDraws(self, seed)


class LookupDraws:
    """A search on a table."""

    def __init__(self, replay: Lookup, seed: int) -> None:
        self._replay = replay
        self._untried = np.ones(replay.trials, dtype=bool)
        rng = np.random.default_rng([seed, crc32(replay.table.task.encode())])
        self._shown = [rng.integers(len(curves)) for curves in replay.table.runs]

    def trial(self, configuration: Mapping[str, Any]) -> Trial:
        """Show a configuration, by one of its seeds, and never again in this search."""
        table = self._replay.table
        distances = ((table.places - place(configuration, table.space)) ** 2).sum(axis=1)
        nearest = int(np.where(self._untried, distances, np.inf).argmin())
        self._untried[nearest] = False
        curve = table.runs[nearest][self._shown[nearest]]
        return Trial(float(self._replay.truths[nearest]), curve)


def _shrunken(table: TaskTable, expected: NDArray[np.float64], noise: Noise) -> NDArray[np.float64]:
    """Weigh each configuration's mean top-1 against what models of the others expect.

    The weights are the inverse variances: that of the mean over n seeds, and that of the models'
    error among the configurations from which they expect about as much.

    Args:
        table: the task's.
        expected: last top-1 of each configuration, from models of the others; ``(N,)``.
        noise: of a run.
    """
    recorded = table.means[:, -1, 0]
    noises = np.array([noise.variance(top1) for top1 in expected])
    noises /= [len(curves) for curves in table.runs]
    excess = (recorded - expected) ** 2 - noises
    truths = []
    for own, other, variance in zip(recorded, expected, noises, strict=True):
        near = np.argsort(np.abs(expected - other), kind="stable")[:NEIGHBOURS]
        error = max(0.0, float(excess[near].mean()))
        weight = error / (error + variance) if error + variance else 1.0
        truths.append(weight * own + (1 - weight) * other)
    return np.array(truths)


MODELS: Mapping[str, type[CurveModel]] = {
    "lookup": Nearest,
    "gp": GaussianProcesses,
    "trees": Trees,
}
"""What each replay's check on held-out configurations is made with."""


def replays(table: TaskTable) -> dict[str, tuple[Replay, HeldOut]]:
    """Make a task's replays, and check each by holding out every fifth in turn.

    The replays themselves are made from all configurations.

    Returns:
        By name, in the order of ``MODELS``.
    """
    recorded = table.means[:, -1, 0]
    predicted = {name: held_out(table, model) for name, model in MODELS.items()}
    checks = {name: check(recorded, *found) for name, found in predicted.items()}
    gp = GaussianProcesses(table.places, table.means)
    noise = Noise.of(table, gp.curves(table.places))
    expected = (predicted["gp"][0] + predicted["trees"][0]) / 2
    made: dict[str, Replay] = {
        "lookup": Lookup(table, expected, noise),
        "gp": Fitted(table, gp, noise),
        "trees": Fitted(table, Trees(table.places, table.means), noise),
    }
    return {name: (made[name], checks[name]) for name in MODELS}


def held_out(
    table: TaskTable, model: type[CurveModel]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predict each configuration's last top-1 without its own fifth.

    Returns:
        Mean and standard deviation; ``(N,)`` each, in percent.
    """
    fold = np.random.default_rng(0).permutation(len(table.runs)) % FOLDS
    means, deviations = np.empty(len(fold)), np.empty(len(fold))
    for number in range(FOLDS):
        out = fold == number
        fitted = model(table.places[~out], table.means[~out])
        means[out] = fitted.curves(table.places[out])[:, -1, 0]
        deviations[out] = fitted.deviations(table.places[out])
    return means, deviations


def check(
    recorded: NDArray[np.float64], means: NDArray[np.float64], deviations: NDArray[np.float64]
) -> HeldOut:
    """Compare predictions with what was recorded; ``(N,)`` each."""
    errors = np.abs(recorded - means)
    return HeldOut(
        rank=float(spearmanr(means, recorded).statistic),
        error=float(np.sqrt(np.mean(errors**2))),
        within=float(np.mean(errors <= norm.ppf(0.9) * deviations)),
    )
