"""The schedule against values worked out by hand."""

from __future__ import annotations

import pytest

from sa2vp.training.schedule import WarmupCosine


@pytest.mark.parametrize(
    ("step", "lr"),
    [
        (0, 0.0),  # linear from 0
        (25, 0.25),  # a quarter of the 100 warm-up steps
        (100, 1.0),  # the peak, after 10 of 100 epochs
        (325, 0.853553),  # a quarter of the cosine: (1 + 1/sqrt(2)) / 2
        (550, 0.5),  # half
        (1000, 1e-7),  # the end
    ],
)
def test_warms_up_linearly_then_follows_half_a_cosine(step: int, lr: float) -> None:
    schedule = WarmupCosine(peak_lr=1.0, total_steps=1000)
    assert schedule.lr(step) == pytest.approx(lr, abs=1e-6)


def test_a_run_of_one_step_is_possible() -> None:
    assert WarmupCosine(peak_lr=1e-3, total_steps=1).lr(0) == 0.0


@pytest.mark.parametrize(
    ("step", "lr"),
    [
        (0, 0.0),
        (50, 0.25),  # a quarter of the 200 warm-up steps
        (200, 1.0),
        (600, 0.55),  # half-way from the peak to the final rate
        (1000, 0.1),
    ],
)
def test_the_warm_up_and_the_final_rate_can_be_chosen(step: int, lr: float) -> None:
    schedule = WarmupCosine(peak_lr=1.0, total_steps=1000, final_lr=0.1, warmup_steps=200)
    assert schedule.lr(step) == pytest.approx(lr, abs=1e-12)


def test_without_a_warm_up_the_first_step_has_the_peak() -> None:
    assert WarmupCosine(peak_lr=1.0, total_steps=10, warmup_steps=0).lr(0) == 1.0
