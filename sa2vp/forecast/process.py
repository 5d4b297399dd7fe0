"""A Gaussian process over configurations and epochs, on logits of accuracies.

A trial i with configuration x shows, after an epoch at which ``u = log(E / epoch)`` is left,

    y = m + f(x) - gap(x, u) + own_i(u) + noise

- ``f`` is what all seeds of the configuration reach on average after the last epoch, and what is
  asked for: a Matérn 5/2 process with a length for each coordinate, plus what earlier tasks tell;
- ``gap`` is what the remaining epochs add: a mean growing as ``u ** GAP_POWER``, of a steepness
  that the task has in common, and a part that is smooth in x: configurations close to each other
  have the same still to gain. That part is what makes curves cross;
- ``own`` is what the trial's seed does: a part for all epochs, proportional to the binomial
  deviation, and a random walk in u;
- ``noise`` is what a single epoch adds.

A whole curve is one draw, so that what makes a training better than its configuration promises is
not taken for knowledge of the configuration. Hyperparameters have log-normal priors and are set to
their most probable values (Rasmussen and Williams 2006, sections 2.2 and 5.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from sa2vp.forecast.curves import Array, Points

GAP_POWER = 1.6
MAX_STEPS = 20
"""Of the search for the most probable hyperparameters."""

BOUND = 3.0
"""Standard deviations of its prior that a hyperparameter may lie from its centre."""

JITTER = 1e-6


@dataclass(frozen=True)
class Priors:
    """What is known of tasks before one is looked at, in logits.

    Pairs are the centre and the spread, in logarithms, of a hyperparameter's prior. All were
    fitted to recorded tasks, or chosen on them.

    Attributes:
        amplitude: standard deviation of ``f`` over the space.
        length: of ``f``, along a coordinate.
        seed: of a trial's part for all epochs, in binomial deviations.
        smooth_gap: of the gap's smooth part where ``u`` is 1.
        own_gap: of a trial's random walk.
        epoch: standard deviation that an epoch adds, in binomial deviations.
        gap: mean of the gap where ``u`` is 1.
        gap_spread: of that mean over tasks.
        gap_length: of the gap's smooth part, along a coordinate.
        level: standard deviation of a task's mean.
        trust: weight of what earlier tasks tell, on average.
        trust_spread: standard deviation of that weight over tasks.
        own_trust: standard deviation of a single earlier task's weight.
    """

    amplitude: tuple[float, float] = (0.8, 0.4)
    length: tuple[float, float] = (0.9, 0.5)
    seed: tuple[float, float] = (0.6, 0.3)
    smooth_gap: tuple[float, float] = (0.25, 0.4)
    own_gap: tuple[float, float] = (0.3, 0.3)
    epoch: float = 0.4
    gap: float = 0.35
    gap_spread: float = 0.15
    gap_length: float = 1.0
    level: float = 1.5
    trust: float = 0.8
    trust_spread: float = 0.8
    own_trust: float = 0.5

    def hyperparameters(self, dimensions: int) -> list[tuple[float, float]]:
        """List those that are fitted to a task, for a cube of so many coordinates."""
        lengths = [self.length] * dimensions
        return [self.amplitude, *lengths, self.seed, self.smooth_gap, self.own_gap]

    def centres(self, dimensions: int) -> Array:
        """Give the logarithms of their centres."""
        return np.log([centre for centre, _ in self.hyperparameters(dimensions)])


PRIORS = Priors()


@dataclass(frozen=True)
class Places:
    """Configurations as the process sees them.

    Attributes:
        cube: places, ``(N, coordinates)``.
        told: what each of S earlier tasks expects there, ``(N, S)``, in logits about its own mean.
    """

    cube: Array
    told: Array

    def __len__(self) -> int:
        """Count them."""
        return len(self.cube)

    def __getitem__(self, which: NDArray[np.intp]) -> Places:
        """Take some of them."""
        return Places(self.cube[which], self.told[which])


def matern(distances: Array) -> Array:
    """Give the Matérn 5/2 correlation at distances, in lengths."""
    scaled = np.sqrt(5) * distances
    correlation: Array = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return correlation


def matern_slope(distances: Array) -> Array:
    """Give what the correlation loses for each unit of half the squared distance."""
    scaled = np.sqrt(5) * distances
    slope: Array = 5 / 3 * (1 + scaled) * np.exp(-scaled)
    return slope


class CurveProcess:
    """The process, given points.

    Args:
        places: of the trials.
        points: of them.
        priors: of hyperparameters.
        hyperparameters: logarithms, as :attr:`hyperparameters`; None for the most probable.
        centre: mean that the logits are taken about; None for theirs.
    """

    def __init__(
        self,
        places: Places,
        points: Points,
        priors: Priors = PRIORS,
        hyperparameters: Array | None = None,
        centre: float | None = None,
    ) -> None:
        self._priors = priors
        self._at, self._points = places[points.trial], points
        rise = points.left**GAP_POWER
        about = points.logits + priors.gap * rise - priors.trust * _mean(self._at.told)
        self.centre = float(about.mean()) if centre is None else centre
        self._residuals = about - self.centre
        same = points.trial[:, None] == points.trial
        variances = points.variances
        smooth = matern(cdist(self._at.cube, self._at.cube) / priors.gap_length)
        self._known = (
            priors.level**2
            + priors.gap_spread**2 * np.outer(rise, rise)
            + self._told(self._at.told, self._at.told)
            + np.diag(priors.epoch**2 * variances + JITTER)
        )
        # each of these is multiplied by the square of a hyperparameter
        self._scaled = (
            same * np.sqrt(np.outer(variances, variances)),
            np.outer(points.left, points.left) * smooth,
            same * np.minimum.outer(points.left, points.left),
        )
        dimensions = self._at.cube.shape[1]
        self._centres = priors.centres(dimensions)
        self._spreads = np.array([spread for _, spread in priors.hyperparameters(dimensions)])
        self.hyperparameters = self._most_probable() if hyperparameters is None else hyperparameters
        """Logarithms of amplitude, lengths, seed, smooth_gap and own_gap."""
        self._factor = np.linalg.cholesky(self._covariance(self.hyperparameters))
        self._weights = cho_solve((self._factor, True), self._residuals, check_finite=False)

    @property
    def seed_variance(self) -> float:
        """Variance of a trial's part for all epochs, in binomial variances."""
        return float(np.exp(2 * self.hyperparameters[-3]))

    def _told(self, here: Array, there: Array) -> Array:
        """Give the covariance of what earlier tasks tell, given the priors of their weights."""
        sources = here.shape[1]
        if not sources:
            return np.zeros((len(here), len(there)))
        mean = self._priors.trust_spread**2 * np.outer(_mean(here), _mean(there))
        centred = (here - _mean(here)[:, None]) @ (there - _mean(there)[:, None]).T
        covariance: Array = mean + self._priors.own_trust**2 / sources * centred
        return covariance

    def _covariance(self, hyperparameters: Array) -> Array:
        """Give the covariance of the points."""
        scales = np.exp(2 * hyperparameters[-3:])
        covariance: Array = np.exp(2 * hyperparameters[0]) * matern(
            self._distances(hyperparameters)
        )
        covariance += self._known
        for scale, part in zip(scales, self._scaled, strict=True):
            covariance += scale * part
        return covariance

    def _distances(self, hyperparameters: Array) -> Array:
        """Give the distances of the points from each other, in lengths."""
        scaled = self._at.cube / np.exp(hyperparameters[1:-3])
        distances: Array = cdist(scaled, scaled)
        return distances

    def _slopes(self, hyperparameters: Array, surplus: Array) -> Array:
        """Sum the covariance's derivatives, weighted by a symmetric matrix."""
        amplitude, scales = np.exp(2 * hyperparameters[0]), np.exp(2 * hyperparameters[-3:])
        distances = self._distances(hyperparameters)
        weighted = amplitude * surplus * matern_slope(distances)
        scaled = self._at.cube / np.exp(hyperparameters[1:-3])
        # the sum of w_ij (x_i - x_j)^2, for each coordinate
        lengths = 2 * (weighted.sum(1) @ scaled**2 - (scaled * (weighted @ scaled)).sum(0))
        parts = [
            scale * np.vdot(surplus, one) for scale, one in zip(scales, self._scaled, strict=True)
        ]
        first = amplitude * np.vdot(surplus, matern(distances))
        return np.array([2 * first, *lengths, *(2 * part for part in parts)])

    def _most_probable(self) -> Array:
        def loss(hyperparameters: Array) -> tuple[float, Array]:
            off = (hyperparameters - self._centres) / self._spreads
            covariance = self._covariance(hyperparameters)
            factor = cho_factor(covariance, lower=True, check_finite=False)
            weights = cho_solve(factor, self._residuals, check_finite=False)
            inverse = cho_solve(factor, np.eye(len(covariance)), check_finite=False)
            value = self._residuals @ weights / 2 + np.log(np.diag(factor[0])).sum() + off @ off / 2
            slopes = self._slopes(hyperparameters, inverse - np.outer(weights, weights)) / 2
            return float(value), slopes + off / self._spreads

        width = BOUND * self._spreads
        bounds = list(zip(self._centres - width, self._centres + width, strict=True))
        found = minimize(
            loss, self._centres, jac=True, bounds=bounds, method="L-BFGS-B",
            options={"maxiter": MAX_STEPS},
        )  # fmt: skip
        hyperparameters: Array = found.x
        return hyperparameters

    def _latent(self, here: Places, there: Places) -> Array:
        """Give the covariance of ``m + f`` at places with that at others."""
        lengths = np.exp(self.hyperparameters[1:-3])
        correlation = matern(cdist(here.cube / lengths, there.cube / lengths))
        covariance: Array = (
            self._priors.level**2
            + np.exp(2 * self.hyperparameters[0]) * correlation
            + self._told(here.told, there.told)
        )
        return covariance

    def mean(self, places: Places) -> Array:
        """Give the mean of ``m + f`` alone, ``(N,)``, which takes a fraction of the time."""
        return self._mean(places, self._latent(places, self._at))

    def expect(self, places: Places) -> tuple[Array, Array]:
        """Give mean and covariance of ``m + f``, ``(N,)`` and ``(N, N)``."""
        mean, solved = self._solve(places)
        return mean, self._latent(places, places) - solved.T @ solved

    def expect_each(self, places: Places) -> tuple[Array, Array]:
        """Give mean and standard deviation of ``m + f``, ``(N,)`` each."""
        mean, solved = self._solve(places)
        own = self._priors.level**2 + np.exp(2 * self.hyperparameters[0])
        told = np.array([self._told(one, one)[0, 0] for one in places.told[:, None]])
        variance = own + told - (solved**2).sum(0)
        return mean, np.sqrt(np.maximum(variance, JITTER))

    def _solve(self, places: Places) -> tuple[Array, Array]:
        across = self._latent(places, self._at)
        solved = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        return self._mean(places, across), solved

    def _mean(self, places: Places, across: Array) -> Array:
        mean: Array = self.centre + self._priors.trust * _mean(places.told) + across @ self._weights
        return mean


def _mean(told: Array) -> Array:
    """Give the mean over earlier tasks; 0 where there are none."""
    return told.mean(axis=1) if told.shape[1] else np.zeros(len(told))
