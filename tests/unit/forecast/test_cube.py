"""Places worked out by hand: a scale for each kind of range."""

from __future__ import annotations

import numpy as np
import pytest

from sa2vp.forecast.cube import Cube
from search_spaces import Choice, LogUniform, Uniform

RANGES = {
    "lr": LogUniform(1e-4, 1e-2),
    "dropout": Uniform(0.0, 0.5),
    "inter_dim": Choice(8, 16, 64),
    "fusion": Choice("exact", "acc"),
}


def test_numbers_lie_on_their_scales_and_words_at_a_distance_of_1() -> None:
    exact = {"lr": 1e-3, "dropout": 0.125, "inter_dim": 16, "fusion": "exact"}
    places = Cube(RANGES).of([exact, exact | {"fusion": "acc"}])
    # 16 is a third of the way from 8 to 64, in factors
    assert places[0, :3] == pytest.approx([0.5, 0.25, 1 / 3])
    assert np.linalg.norm(places[0] - places[1]) == pytest.approx(1)
    assert places.shape == (2, Cube(RANGES).dimensions)


def test_what_another_search_tried_lies_outside_but_not_far() -> None:
    outside = {"lr": 1e-5, "dropout": 0.6, "inter_dim": 4, "fusion": "other"}
    # lr is half the width of its range below it; 4 a third
    place = Cube(RANGES).of([outside])[0]
    assert place == pytest.approx([-0.5, 1.2, -1 / 3, 0, 0])
    assert Cube(RANGES).of([outside | {"lr": 1e-9}])[0, 0] == -0.5


def test_a_choice_with_a_zero_is_no_logarithm() -> None:
    cube = Cube({"weight_decay": Choice(0.0, 0.1, 1.0)})
    assert cube.of([{"weight_decay": 0.1}])[0, 0] == pytest.approx(0.1)


def test_what_is_drawn_lies_inside_and_neighbours_are_near() -> None:
    cube, rng = Cube(RANGES), np.random.default_rng(0)
    drawn = cube.draw(rng, 300)
    near = cube.draw_near(rng, drawn, 0.1)
    for one in (*drawn, *near):
        assert all(one[name] in range_ for name, range_ in RANGES.items())
    assert {one["inter_dim"] for one in drawn} == {8, 16, 64}
    assert {one["fusion"] for one in drawn} == {"exact", "acc"}
    moved = np.abs(np.log([b["lr"] / a["lr"] for a, b in zip(drawn, near, strict=True)]))
    assert 0.2 < np.mean(moved == 0) < 0.6  # some values stay
    assert moved.max() < np.log(100) * 0.5
