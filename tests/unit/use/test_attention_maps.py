"""Focus and displacement of 3x3 attention, against values worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sa2vp.use.attention_maps import displacement, existing_neighbours, focus


def even(grid: int) -> torch.Tensor:
    """The same weight for every neighbour that exists: 1/4 in corners, 1/6 at edges, 1/9 inside."""
    weights = torch.zeros(grid, grid, 3, 3)
    for row in range(grid):
        for column in range(grid):
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    if 0 <= row + down < grid and 0 <= column + right < grid:
                        weights[row, column, down + 1, right + 1] = 1
            weights[row, column] /= weights[row, column].sum()
    return weights


def at(row: int, column: int, cells: dict[tuple[int, int], float]) -> torch.Tensor:
    """Even attention on a 4x4 map but for one patch; cells count from the upper left, 0 to 2."""
    weights = even(4)
    weights[row, column] = 0
    for cell, weight in cells.items():
        weights[row, column][cell] = weight
    return weights


def test_a_corner_has_four_neighbours_an_edge_six() -> None:
    counts = existing_neighbours(3).sum((2, 3))
    assert counts.tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]
    assert existing_neighbours(3)[0, 0].tolist() == [
        [False, False, False],
        [False, True, True],
        [False, True, True],
    ]


def test_even_attention_is_not_focused_and_leans_nowhere() -> None:
    assert focus(even(4)).flatten().tolist() == pytest.approx([0] * 16, abs=1e-6)
    assert displacement(even(4)).flatten().tolist() == pytest.approx([0] * 32, abs=1e-6)


def test_attention_to_one_neighbour_is_focused_on_it() -> None:
    right = at(1, 2, {(1, 2): 1.0})
    assert focus(right)[1, 2] == 1
    assert displacement(right)[1, 2].tolist() == pytest.approx([1, 0])
    below_left = at(1, 2, {(2, 0): 1.0})
    assert displacement(below_left)[1, 2].tolist() == pytest.approx([-1, 1])


def test_two_equal_neighbours_have_the_entropy_of_a_coin() -> None:
    both = at(2, 2, {(0, 1): 0.5, (2, 1): 0.5})
    assert focus(both)[2, 2] == pytest.approx(1 - math.log(2) / math.log(9))
    assert displacement(both)[2, 2].tolist() == pytest.approx([0, 0])


def test_a_corner_that_looks_at_itself_leans_outwards() -> None:
    # Even attention to itself, right, below and both means half a patch right and down.
    own = at(0, 0, {(1, 1): 1.0})
    assert focus(own)[0, 0] == 1
    assert displacement(own)[0, 0].tolist() == pytest.approx([-0.5, -0.5])


def test_weight_that_lies_outside_the_map_does_not_count() -> None:
    assert torch.allclose(focus(0.25 * even(4)), torch.zeros(4, 4), atol=1e-6)
    halved = at(1, 1, {(1, 2): 0.3, (1, 0): 0.1})
    assert displacement(halved)[1, 1].tolist() == pytest.approx([0.5, 0])
