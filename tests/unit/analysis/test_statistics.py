"""Intervals and tests against formulas of other books, and against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from analysis.statistics import paired_p_value, top1_interval


def one_seed(right: int, wrong: int) -> np.ndarray:
    return np.array([[True] * right + [False] * wrong])


def test_the_interval_of_one_seed_is_that_of_a_share() -> None:
    # 80 % of 2,500 images: a standard error of sqrt(0.8 * 0.2 / 2500) = 0.8 points.
    found = top1_interval(one_seed(2000, 500))
    z = norm.ppf(0.975)
    assert found.low == pytest.approx(80 - z * 0.8, abs=0.1)
    assert found.high == pytest.approx(80 + z * 0.8, abs=0.1)
    assert 80 in found
    assert 82 not in found


def test_seeds_that_differ_widen_the_interval() -> None:
    # Two seeds at 60 and 80 %: either alone is drawn in a quarter of the draws each.
    images = 10_000
    correct = np.concatenate([one_seed(6000, 4000), one_seed(8000, 2000)])
    found = top1_interval(correct)
    alike = top1_interval(np.concatenate([one_seed(7000, 3000)] * 2))
    assert found.low == pytest.approx(60, abs=1)
    assert found.high == pytest.approx(80, abs=1)
    assert alike.high - alike.low < 2.5
    assert correct.shape == (2, images)


def test_the_interval_equals_the_one_of_drawing_every_image() -> None:
    rng = np.random.default_rng(1)
    correct = rng.random((3, 200)) < np.array([[0.6], [0.65], [0.7]])
    drawn = []
    for _ in range(4000):
        images = rng.integers(200, size=200)
        seeds = rng.integers(3, size=3)
        drawn.append(100 * correct[seeds][:, images].mean())
    found = top1_interval(correct)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.4)
    assert found.high == pytest.approx(high, abs=0.4)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs seeds and images, got 0 and 3"):
        top1_interval(np.zeros((0, 3), dtype=bool))


@pytest.mark.parametrize(("better", "worse"), [(30, 10), (12, 8), (5, 5), (0, 9)])
def test_with_a_seed_each_it_is_mcnemars_exact_test(better: int, worse: int) -> None:
    both = 100
    one = np.array([[True] * better + [False] * worse + [True] * both])
    other = np.array([[False] * better + [True] * worse + [True] * both])
    exact = binomtest(better, better + worse, 0.5).pvalue
    assert paired_p_value(one, other) == pytest.approx(exact, abs=0.015)


def test_methods_that_agree_on_every_image_do_not_differ() -> None:
    assert paired_p_value(one_seed(3, 4), one_seed(3, 4)) == 1.0


def test_seeds_are_averaged_before_signs_are_drawn() -> None:
    # Image 1: +1, image 2: +1/2, in halves 2 and 1. Of the four signs, two reach |3|: p = 1/2.
    one = np.array([[True, True], [True, True]])
    other = np.array([[False, False], [False, True]])
    assert paired_p_value(one, other) == pytest.approx(0.5, abs=0.02)


def test_other_test_images_are_refused() -> None:
    with pytest.raises(ValueError, match="7 and 5 images cannot be paired"):
        paired_p_value(one_seed(3, 4), one_seed(1, 4))
