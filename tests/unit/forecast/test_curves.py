"""Logits and the epochs that the model sees, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sa2vp.forecast.curves import Points, logits_of, percent_of


def test_a_logit_of_all_or_nothing_is_finite() -> None:
    logits, variances = logits_of(np.array([0.0, 50.0, 100.0]), images=99)
    # 0.5 of 100 images, 50 of 100 and 99.5 of 100
    assert logits == pytest.approx([-math.log(199), 0, math.log(199)])
    assert variances[1] == pytest.approx(1 / 25)
    assert variances[0] == pytest.approx(1 / (100 * 0.005 * 0.995))
    assert percent_of(0.0) == 50
    assert percent_of(math.log(3)) == pytest.approx(75)


def test_of_each_curve_the_last_epoch_and_those_at_halves_are_seen() -> None:
    points = Points.of([[10.0] * 8, [20.0] * 3, [], [30.0]], epochs=8, images=100)
    assert points.trial.tolist() == [0, 0, 0, 0, 1, 1, 1, 3]
    epochs = 8 / np.exp(points.left)
    assert epochs == pytest.approx([1, 2, 4, 8, 1, 2, 3, 1])
