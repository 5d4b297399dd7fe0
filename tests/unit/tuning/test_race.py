"""Which configuration is trained once more, on chances worked out by hand."""

from __future__ import annotations

import pytest

from sa2vp.tuning.race import DOUBTFUL, REPEATED, Racer, chance_to_beat, next_to_repeat

IMAGES = 199
"""Makes an accuracy of 50 % the share 1/2, and its logit's variance 4 / 200."""


def test_two_trainings_differ_by_what_the_model_takes_for_seed_and_epoch() -> None:
    assert pytest.approx((0.6**2 + 0.4**2) ** 0.5) == REPEATED


def test_the_chance_is_that_of_a_difference_of_two_normal_logits() -> None:
    # 100 and 114 of 199 right, each plus a half, of 200: shares 0.5025 and 0.5725, logits 0.0100
    # and 0.2921, variances 0.0200 and 0.02043, times 0.52: 0.01040 and 0.01062.
    # The difference is 0.2821 / sqrt(0.02102) = 1.9455 deviations: 97.4 % of a normal's.
    leader, other = Racer([100 / 1.99]), Racer([114 / 1.99])
    assert chance_to_beat(other, leader, IMAGES) == pytest.approx(0.97414, abs=2e-4)
    assert chance_to_beat(leader, other, IMAGES) == pytest.approx(1 - 0.97414, abs=2e-4)
    # Four trainings of each halve the deviations: 3.891 of them.
    four, others = Racer([100 / 1.99] * 4), Racer([114 / 1.99] * 3, under_way=1)
    assert chance_to_beat(four, others, IMAGES) == pytest.approx(5.0e-5, abs=2e-6)


def test_equals_are_trained_in_turn() -> None:
    racers = [Racer([80.0]), Racer([80.0])]
    assert next_to_repeat(racers, 0, 200) == 1
    assert next_to_repeat([racers[0], Racer([80.0], under_way=1)], 0, 200) == 0


def test_the_likeliest_challenger_is_trained_not_a_hopeless_one() -> None:
    racers = [Racer([60.0]), Racer([79.0]), Racer([80.0, 80.5]), Racer([78.0])]
    assert next_to_repeat(racers, 2, 200) == 1


def test_the_race_ends_when_no_challenger_has_a_chance() -> None:
    leader, other = Racer([90.0] * 3), Racer([80.0] * 3)
    assert chance_to_beat(other, leader, 200) < DOUBTFUL
    assert next_to_repeat([other, leader], 1, 200) is None
    assert next_to_repeat([leader], 0, 200) is None


def test_a_challenger_with_more_failed_repeats_is_out() -> None:
    leader, other = Racer([90.0]), Racer([90.0], failed=1)
    assert next_to_repeat([leader, other], 0, 200) is None
    assert next_to_repeat([Racer([90.0], failed=1), other], 0, 200) == 1
