"""What a search does next: try a configuration, stop a trial, or go on with a stopped one.

All of it is a function of the task's trials and of a seed, so that a search that is interrupted
goes on as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import norm, qmc

from sa2vp.forecast.cube import Cube
from sa2vp.forecast.curves import Array, Points, Trial, percent_of, variances_at
from sa2vp.forecast.earlier import EarlierTask
from sa2vp.forecast.process import PRIORS, CurveProcess, Places, Priors
from sa2vp.forecast.threads import one_thread
from search_spaces import Range

OPENING = 6
"""Trials that are spread over the space before the model proposes any, …"""

OPENING_TOLD = 4
"""… and where earlier tasks tell something: these are tried where they expect most."""

APART = 0.5
"""Logits that an opening trial may give up for each unit of distance from the others."""

MOST_TRIALS = 150
"""That a decision looks at, so that it takes a fraction of a second however many there are."""

CHANCE = 0.1
"""A trial is stopped when its chance to beat the best of the others falls below this."""

DOUBT = 4
"""One in so many new trials is proposed as if there were no earlier tasks, should they mislead."""

APART_FROM_TRIED = 0.02
"""Distance in the cube that a proposal keeps from what was tried, while anything else is left."""

FEWEST_OTHERS = 3
"""Trials beside it without which none is stopped."""

CAUTION = 2.0
"""Standard deviations of the model are taken times this: it is too sure of itself.

With the most probable hyperparameters it does not count what it does not know of them, and real
accuracies fall off more steeply in some places than in others.
"""

DRAWN = 600
"""Configurations drawn from the whole space, of which the most promising one is proposed; …"""

NEAR = 200
"""… and so many near the best trials."""

LEADERS = 4
"""Best trials whose neighbours are drawn."""

SPREAD = 0.12
"""Of neighbours, as a share of a range."""


@dataclass(frozen=True)
class Verdict:
    """What the model says of a trial that could be stopped.

    Attributes:
        chance: that its configuration beats the best of the other trials'.
        best: what that one is expected to reach, in percent.
        stop: whether to stop it.
    """

    chance: float
    best: float
    stop: bool

    def __str__(self) -> str:
        """Give the reason in words."""
        return f"{math.floor(100 * self.chance)} % chance to beat {self.best:.1f}"


UNDECIDED = Verdict(1.0, 0.0, stop=False)
"""Of a trial that there is nothing to compare with."""


@dataclass(frozen=True)
class New:
    """A new trial.

    Attributes:
        configuration: of it.
    """

    configuration: dict[str, Any]


@dataclass(frozen=True)
class GoOn:
    """A stopped trial that goes on.

    Attributes:
        number: of the trial.
        verdict: what the model says of it now.
    """

    number: int
    verdict: Verdict


Next = New | GoOn


class Forecaster:
    """The model of one task.

    Args:
        ranges: what is searched.
        epochs: of a whole training.
        images: of the validation split.
        seed: of the search.
        task: its name, part of the seed.
        earlier: tasks that were searched before; those of other hyperparameters are passed over.
        priors: of the model.
    """

    def __init__(
        self,
        ranges: Mapping[str, Range],
        epochs: int,
        images: int,
        *,
        seed: int,
        task: str,
        earlier: Sequence[EarlierTask] = (),
        priors: Priors = PRIORS,
    ) -> None:
        self._cube = Cube(ranges)
        self._names = tuple(ranges)
        self._epochs, self._images = epochs, images
        self._seed = crc32(f"{seed}/{task}".encode())
        self._earlier = tuple(one for one in earlier if one.names == set(ranges))
        self._priors = priors
        self._last_fits: dict[bool, tuple[object, Array]] = {}  # listening to earlier tasks or not

    def judge(
        self, trials: Sequence[Trial], number: int, beside: Sequence[EarlierTask] = ()
    ) -> Verdict:
        """Say whether a trial should go on.

        Args:
            trials: of the task, this one among them.
            number: of the trial.
            beside: tasks that are searched at the same time, in the order of the suite.
        """
        with one_thread():
            view = self._view(trials, self._told_by(beside), number)
            return view.verdict(number) if view else UNDECIDED

    def next(
        self,
        trials: Sequence[Trial],
        number: int | None,
        beside: Sequence[EarlierTask] = (),
        *,
        stopped: bool = True,
        min_gain: float = 0.0,
    ) -> Next | None:
        """Say what to do with a free place.

        Args:
            trials: of the task.
            number: that a new trial would get; None if no more can be started. A stopped one then
                goes on only if its chance is no longer one that it would be stopped at.
            beside: tasks that are searched at the same time, in the order of the suite.
            stopped: whether a stopped one may go on.
            min_gain: points that a new trial has to promise, on average over what it may show.

        Returns:
            None if nothing is left to do.
        """
        with one_thread():
            return self._next(trials, number, self._told_by(beside), stopped, min_gain)

    def _next(
        self,
        trials: Sequence[Trial],
        number: int | None,
        earlier: Sequence[EarlierTask],
        stopped: bool,
        min_gain: float,
    ) -> Next | None:
        opening = OPENING_TOLD if earlier else OPENING
        if number is not None and len(trials) < opening:
            return New(self._open(trials, number, earlier))
        doubting = number is not None and number % DOUBT == DOUBT - 1
        view = self._view(trials, () if doubting else earlier)
        if view is None:
            return None if number is None else New(self._open(trials, number, earlier))
        new, gain = (None, 0.0) if number is None else self._propose(view, number)
        if new and min_gain and view.points(self._places([new], view.earlier)) < min_gain:
            new = None
        best = view.most_promising_stopped() if stopped else None
        if best is not None:
            verdict = view.verdict(best)
            if view.gain_per_epoch(best) > gain if new else not verdict.stop:
                return GoOn(best, verdict)
        return New(new) if new else None

    def _told_by(self, beside: Sequence[EarlierTask]) -> tuple[EarlierTask, ...]:
        return (*self._earlier, *(one for one in beside if one.names == set(self._names)))

    def _open(
        self, trials: Sequence[Trial], number: int, earlier: Sequence[EarlierTask]
    ) -> dict[str, Any]:
        """Give a configuration of the opening."""
        if not earlier:
            sobol = qmc.Sobol(len(self._names), rng=np.random.default_rng(self._seed))
            return self._cube.configuration(sobol.random_base2(6)[number % 64])
        drawn = self._cube.draw(self._rng(number), DRAWN)
        places = self._places(drawn, earlier)
        worth = places.told.mean(axis=1)
        if trials:
            taken = self._cube.of([trial.configuration for trial in trials])
            worth += APART * np.minimum(distances_to(places.cube, taken), 0.5)
        return drawn[int(worth.argmax())]

    def _propose(self, view: View, number: int) -> tuple[dict[str, Any], float]:
        """Draw configurations, and give the one that promises most for an epoch."""
        rng = self._rng(number)
        drawn = self._cube.draw(rng, DRAWN)
        leaders = view.leaders(LEADERS)
        picked = [leaders[i] for i in rng.integers(len(leaders), size=NEAR)]
        drawn += self._cube.draw_near(rng, picked, SPREAD)
        places = self._places(drawn, view.earlier)
        gains = view.gains(places) / self._epochs
        gains[distances_to(places.cube, view.places.cube) < APART_FROM_TRIED] *= 1e-6
        best = int(gains.argmax())
        return drawn[best], float(gains[best])

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, number])

    def _places(
        self, configurations: Sequence[Mapping[str, Any]], earlier: Sequence[EarlierTask]
    ) -> Places:
        told = [one.expect(configurations) for one in earlier]
        return Places(self._cube.of(configurations), _columns(told, len(configurations)))

    def _places_of(self, trials: Sequence[Trial], earlier: Sequence[EarlierTask]) -> Places:
        """Place trials, which are placed anew after every epoch."""
        configurations = [trial.configuration for trial in trials]
        told = [one.expect_again(configurations) for one in earlier]
        return Places(self._cube.of(configurations), _columns(told, len(trials)))

    def _view(
        self,
        trials: Sequence[Trial],
        earlier: Sequence[EarlierTask],
        number: int | None = None,
    ) -> View | None:
        """Give what the model expects, a trial in particular; None before there is an epoch."""
        if not any(trial.accuracies for trial in trials):
            return None
        begun = [trial for trial in trials if trial.accuracies or trial.state == "running"]
        seen = most_telling(begun, number)
        places = self._places_of(seen, earlier)
        hyperparameters = self._hyperparameters(seen, earlier)
        return View(
            seen, earlier, places, self._epochs, self._images, self._priors, hyperparameters
        )

    def _hyperparameters(self, trials: Sequence[Trial], earlier: Sequence[EarlierTask]) -> Array:
        """Give those most probable for the trials that have ended, of the lowest numbers."""
        ended = sorted((t for t in trials if t.state != "running"), key=lambda t: t.number)
        return self._most_probable(ended[: by_steps(len(ended))], earlier)

    def _most_probable(self, ended: Sequence[Trial], earlier: Sequence[EarlierTask]) -> Array:
        if not ended:
            return self._priors.centres(self._cube.dimensions)
        known = [(trial.number, tuple(trial.accuracies)) for trial in ended], tuple(earlier)
        last = self._last_fits.get(bool(earlier))
        if last is None or last[0] != known:
            places = self._places_of(ended, earlier)
            points = Points.of([trial.accuracies for trial in ended], self._epochs, self._images)
            last = (known, CurveProcess(places, points, self._priors).hyperparameters)
            self._last_fits[bool(earlier)] = last
        return last[1]


def by_steps(count: int) -> int:
    """Give how many of so many ended trials a fit is of.

    The number grows by steps, so that nothing is fitted anew after each trial.
    """
    found = 0
    while max(found + 2, int(found * 1.25)) <= count:
        found = max(found + 2, int(found * 1.25))
    return found


def _columns(told: Sequence[Array], count: int) -> Array:
    return np.stack(told, axis=1) if told else np.zeros((count, 0))


def distances_to(cube: Array, others: Array) -> Array:
    """Give how far the nearest of some places is from each of others, ``(N,)``."""
    nearest: Array = cdist(cube, others).min(axis=1)
    return nearest


def most_telling(trials: Sequence[Trial], number: int | None) -> list[Trial]:
    """Leave out trials where there are more than ``MOST_TRIALS``.

    One in three of those that stay are spread over the trials' numbers; the others have the highest
    accuracies, whatever their epoch.

    Args:
        trials: some with an epoch at least.
        number: of one that stays; None for none in particular.
    """
    if len(trials) <= MOST_TRIALS:
        return list(trials)
    order = sorted(
        trials, key=lambda trial: (trial.number != number, -max(trial.accuracies[-1:], default=0.0))
    )
    best = order[: 2 * MOST_TRIALS // 3]
    rest = sorted(order[len(best) :], key=lambda trial: trial.number)
    places = np.linspace(0, len(rest) - 1, MOST_TRIALS - len(best)).round().astype(int)
    return sorted([*best, *(rest[i] for i in places)], key=lambda trial: trial.number)


class View:
    """What the model expects of a task's trials.

    Args:
        trials: one with an epoch at least.
        earlier: tasks that it listens to.
        places: of them.
        epochs: of a whole training.
        images: of the validation split.
        priors: of the model.
        hyperparameters: of the process.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        earlier: Sequence[EarlierTask],
        places: Places,
        epochs: int,
        images: int,
        priors: Priors,
        hyperparameters: Array,
    ) -> None:
        self._trials, self.earlier, self.places = trials, earlier, places
        self._epochs, self._images, self._priors = epochs, images, priors
        self._points = Points.of(_curves(trials), epochs, images)
        self._process = CurveProcess(places, self._points, priors, hyperparameters)
        self.means, covariance = self._process.expect(places)
        self._covariance = covariance * CAUTION**2
        self._index = {trial.number: index for index, trial in enumerate(trials)}

    def verdict(self, number: int) -> Verdict:
        """Say whether a trial should go on."""
        own = self._index[number]
        others = [i for i in self._ranked() if i != own]
        if len(others) < FEWEST_OTHERS:
            return UNDECIDED
        best = others[0]
        chance = float(norm.cdf((self.means[own] - self.means[best]) / self._spread(own, best)))
        return Verdict(chance, percent_of(self.means[best]), stop=chance < CHANCE)

    def leaders(self, count: int) -> list[Mapping[str, Any]]:
        """Give the configurations of the trials that are expected to reach most."""
        return [self._trials[i].configuration for i in self._ranked()[:count]]

    def _ranked(self) -> list[int]:
        shown = [i for i, trial in enumerate(self._trials) if trial.accuracies]
        able = [i for i in shown if self._trials[i].state != "failed"]
        return sorted(able or shown, key=lambda i: -self.means[i])

    def most_promising_stopped(self) -> int | None:
        """Give the number of the stopped trial that promises most for an epoch, if there is one."""
        stopped = [trial.number for trial in self._trials if trial.state == "stopped"]
        return max(stopped, key=self.gain_per_epoch, default=None)

    def gain_per_epoch(self, number: int) -> float:
        """Give what going on with a trial promises, for each epoch that is left of it."""
        own, best = self._index[number], self._ranked()[0]
        spread = (
            self._spread(own, best) if own != best else float(np.sqrt(self._covariance[own, own]))
        )
        gain = float(
            self._gain(self.means[own] - self.means[best], np.array(spread), self.means[own])
        )
        return gain / max(1, self._epochs - len(self._trials[own].accuracies))

    def gains(self, places: Places, caution: float = CAUTION) -> Array:
        """Give what trying other configurations promises, in logits, ``(N,)``."""
        process = self._with_running_ones()
        means, spreads = process.expect_each(places)
        return self._gain(means - self.means[self._ranked()[0]], spreads * caution, means)

    def points(self, place: Places) -> float:
        """Give by how many percent a configuration is expected to improve the best one.

        Here the model is taken at its word: to be cautious would be never to end.
        """
        best = float(self.means[self._ranked()[0]])
        gain = float(self.gains(place, caution=1.0)[0])
        return percent_of(best + gain) - percent_of(best)

    def _gain(self, lead: Array, spread: Array, mean: Array) -> Array:
        """Give the expected improvement that a training would show, in logits.

        A training shows a configuration through the noise of its seed: it moves what is expected of
        it by less than what is not known of it. So a configuration that is known well promises
        little, though it is near the best.
        """
        noise = self._process.seed_variance * variances_at(mean, self._images)
        moved = spread**2 / np.sqrt(spread**2 + noise)
        gain: Array = moved * norm.pdf(lead / moved) + lead * norm.cdf(lead / moved)
        return gain

    def _spread(self, one: int, other: int) -> float:
        """Give the standard deviation of a difference."""
        of = self._covariance
        return float(np.sqrt(max(of[one, one] + of[other, other] - 2 * of[one, other], 1e-12)))

    def _with_running_ones(self) -> CurveProcess:
        """Give the process as if running trials had ended where they are expected to."""
        running = [i for i, trial in enumerate(self._trials) if trial.state == "running"]
        if not running:
            return self._process
        logits, points = self.means[running], self._points
        points = Points(
            np.concatenate([points.trial, np.array(running, dtype=np.intp)]),
            np.concatenate([points.left, np.zeros(len(running))]),
            np.concatenate([points.logits, logits]),
            np.concatenate([points.variances, variances_at(logits, self._images)]),
        )
        return CurveProcess(
            self.places, points, self._priors, self._process.hyperparameters, self._process.centre
        )


def _curves(trials: Sequence[Trial]) -> list[Sequence[float]]:
    """Give the trials' curves; a failed one counts as having ended at the lowest that was seen."""
    lowest = min(min(trial.accuracies) for trial in trials if trial.accuracies)
    return [
        [*trial.accuracies[:-1], lowest] if trial.state == "failed" else trial.accuracies
        for trial in trials
    ]
