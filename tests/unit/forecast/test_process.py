"""The process against the same sums written out, pair by pair, and solved as they stand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sa2vp.forecast.curves import Points
from sa2vp.forecast.process import CurveProcess, Places, Priors

PRIORS = Priors(trust=0.7, trust_spread=0.3, own_trust=0.6)
LOGS = np.log([0.9, 0.4, 1.3, 0.6, 0.25, 0.3])  # amplitude, two lengths, seed, smooth, own


def toy(trials: int = 5, sources: int = 2) -> tuple[Places, Points]:
    rng = np.random.default_rng(1)
    places = Places(rng.random((trials, 2)), rng.normal(0, 1, (trials, sources)))
    curves = [np.linspace(20, 50 + 8 * n, 8)[: 8 - n].tolist() for n in range(trials)]
    return places, Points.of(curves, epochs=8, images=200)


def matern(squared: float) -> float:
    r = math.sqrt(5 * squared)
    return (1 + r + r * r / 3) * math.exp(-r)


def latent(a: int, b: int, at: Places, to: Places) -> float:
    """Covariance of what two configurations reach, written out."""
    x, y, s, t = at.cube[a], to.cube[b], at.told[a], to.told[b]
    f = 0.9**2 * matern(((x[0] - y[0]) / 0.4) ** 2 + ((x[1] - y[1]) / 1.3) ** 2)
    trust = 0.3**2 * s.mean() * t.mean()
    own = 0.6**2 / len(s) * sum((s - s.mean()) * (t - t.mean()))
    return PRIORS.level**2 + f + trust + own


def written_out(places: Places, points: Points, to: Places) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance at other places, with the centre that the process takes."""
    n = len(points.trial)
    rise = points.left**1.6
    covariance = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            a, b = points.trial[i], points.trial[j]
            u, v = points.left[i], points.left[j]
            gap = matern(((places.cube[a] - places.cube[b]) ** 2).sum() / PRIORS.gap_length**2)
            value = latent(a, b, places, places)
            value += PRIORS.gap_spread**2 * rise[i] * rise[j] + 0.25**2 * u * v * gap
            if a == b:
                value += 0.6**2 * math.sqrt(points.variances[i] * points.variances[j])
                value += 0.3**2 * min(u, v)
            if i == j:
                value += PRIORS.epoch**2 * points.variances[i] + 1e-6
            covariance[i, j] = value
    told = places.told[points.trial].mean(axis=1)
    about = points.logits + PRIORS.gap * rise - 0.7 * told
    across = np.array([[latent(k, a, to, places) for a in points.trial] for k in range(len(to))])
    own = np.array([[latent(k, m, to, to) for m in range(len(to))] for k in range(len(to))])
    inverse = np.linalg.inv(covariance)
    mean = about.mean() + 0.7 * to.told.mean(axis=1) + across @ inverse @ (about - about.mean())
    return mean, own - across @ inverse @ across.T


def test_what_it_expects_is_what_the_sums_written_out_give() -> None:
    places, points = toy()
    rng = np.random.default_rng(2)
    to = Places(rng.random((4, 2)), rng.normal(0, 1, (4, 2)))
    process = CurveProcess(places, points, PRIORS, LOGS)
    mean, covariance = process.expect(to)
    expected, spread = written_out(places, points, to)
    assert mean == pytest.approx(expected, abs=1e-9)
    assert covariance == pytest.approx(spread, abs=1e-9)
    each, deviations = process.expect_each(to)
    assert each == pytest.approx(expected, abs=1e-9)
    assert process.mean(to) == pytest.approx(expected, abs=1e-9)
    assert deviations == pytest.approx(np.sqrt(np.diag(spread)), abs=1e-9)


def test_the_most_probable_hyperparameters_are_better_than_their_neighbours() -> None:
    places, points = toy(trials=7, sources=0)
    found = CurveProcess(places, points).hyperparameters
    priors = Priors()
    pairs = priors.hyperparameters(2)
    centres, spreads = np.log([c for c, _ in pairs]), np.array([s for _, s in pairs])

    def loss(logs: np.ndarray) -> float:
        process = CurveProcess(places, points, priors, logs)
        r = process._residuals
        off = (logs - centres) / spreads
        logdet = 2 * np.log(np.diag(process._factor)).sum()
        return float(r @ process._weights + logdet + off @ off) / 2

    best = loss(found)
    assert best < loss(centres)
    for index in range(len(found)):
        for step in (-0.2, 0.2):
            assert loss(found + step * np.eye(len(found))[index]) > best


def test_the_slopes_are_those_of_differences() -> None:
    places, points = toy(sources=0)
    process = CurveProcess(places, points, PRIORS, LOGS)
    surplus = np.random.default_rng(4).normal(size=(len(points.trial),) * 2)
    surplus += surplus.T
    found = process._slopes(LOGS, surplus)
    for index, slope in enumerate(found):
        step = 1e-5 * np.eye(len(LOGS))[index]
        difference = process._covariance(LOGS + step) - process._covariance(LOGS - step)
        assert slope == pytest.approx((surplus * difference).sum() / 2e-5, rel=1e-6)


def test_a_curve_cut_short_is_foretold_within_its_uncertainty() -> None:
    """Trials that were trained to the end show how much is still to come."""
    rng = np.random.default_rng(3)
    cube = rng.random((12, 1))
    ends = 1.5 - 3 * (cube[:, 0] - 0.6) ** 2
    left = np.log(8 / np.arange(1, 9))
    curves = 100 / (1 + np.exp(-(ends[:, None] - 0.4 * left**1.6)))
    shown = [curve[: 8 if i < 9 else 2].tolist() for i, curve in enumerate(curves)]
    points = Points.of(shown, epochs=8, images=500)
    mean, deviation = CurveProcess(Places(cube, np.zeros((12, 0))), points).expect_each(
        Places(cube, np.zeros((12, 0)))
    )
    assert np.abs(mean[9:] - ends[9:]).max() < 0.15
    assert (np.abs(mean[9:] - ends[9:]) < 3 * deviation[9:]).all()
    assert deviation[9:].min() > deviation[:9].max() / 2
