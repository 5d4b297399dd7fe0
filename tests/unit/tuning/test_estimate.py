"""What a plan is estimated to take, against sums worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from searches import ROOT

from sa2vp.options import OptionError
from sa2vp.tuning.estimate import Rates, Timing, count_tests, estimate, expected_epochs
from sa2vp.tuning.planning import make_plan

IMAGES = {"train": 320, "val": 200, "test": 400}


def test_a_third_of_the_trials_pass_each_rung() -> None:
    # Rungs at 20 and 60: 20 + 40 / 3 + 40 / 9.
    plan = make_plan(suite="demo", epochs=100)
    assert expected_epochs(plan) == pytest.approx(37.78, abs=0.01)


def test_a_later_bracket_takes_longer() -> None:
    # The second bracket has its first rung at 60: 60 + 40 / 3 = 73.33.
    plan = make_plan(suite="demo", epochs=100, brackets=2)
    assert expected_epochs(plan) == pytest.approx((37.78 + 73.33) / 2, abs=0.01)


def test_a_plan_without_decisions_runs_every_epoch() -> None:
    plan = make_plan(suite="demo", epochs=10, grace_epochs=10)
    assert expected_epochs(plan) == 10


def test_images_epochs_and_runs_add_up() -> None:
    plan = make_plan(
            suite="demo", trials=10, epochs=10, grace_epochs=10, seeds=2, confirm=3,
        )  # fmt: skip
    found = estimate(plan, IMAGES, Rates(training=32, evaluation=100), learned=2**20)
    assert (found.epochs, found.expected, found.final) == (100, 100, 50)
    # An epoch trains for 10 s; validation takes 2 s, the test 4 s: once in each of 2 final runs.
    assert found.hours == pytest.approx((100 * 12 + 30 * 12 + 20 * 10 + 2 * 4) / 3600)
    # 15 checkpoints of 2**20 numbers of 4 bytes and the two moments of each.
    assert found.gib == pytest.approx(15 * 12 * 2**20 / 2**30)
    assert found + found == estimate(
        make_plan(
                suite="demo", trials=20, epochs=10, grace_epochs=10, seeds=4, confirm=6,
            ),
        IMAGES, Rates(32, 100), 2**20,
    )  # fmt: skip


def test_a_curve_of_the_test_split_counts() -> None:
    assert [count_tests(10, every) for every in (0, 1, 3, 20)] == [1, 10, 4, 1]


@pytest.mark.parametrize(
    ("options", "capability", "told"),
    [
        ({}, None, "a step of 8 images on this machine's CPU, in float32"),
        ({"precision": "bfloat16"}, None, "a step of 8 images on this machine's CPU, in bfloat16"),
        ({}, (9, 0), "a step of 64 images on this machine's GPU, in bfloat16"),
        ({}, (7, 0), "a step of 64 images on this machine's GPU, in float16"),
        ({"gpus_per_trial": 0}, (9, 0), "a step of 8 images on this machine's CPU, in float32"),
    ],
)
def test_what_is_timed_is_what_trials_would_compute_here(
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    capability: tuple[int, int] | None,
    told: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert str(Timing.of(make_plan(suite="demo", **options).config, 64)) == told


def test_a_precision_that_is_not_here_needs_a_stated_rate() -> None:
    with pytest.raises(OptionError, match=r"^--precision: .*needs a GPU.*; or say --images-per-se"):
        Timing.of(make_plan(suite="demo", precision="float16").config, 64)


def test_a_dry_run_prints_the_estimate_of_a_stated_rate_and_starts_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable, "run_search.py", "--suite", "demo", "--tasks", "digits", "--dry-run",
        "--results", str(tmp_path / "none"), "--trials", "9", "--epochs", "10",
        "--grace-epochs", "10", "--seeds", "1", "--images-per-second", "32",
    ]  # fmt: skip
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    *_, row = (line for line in shown.splitlines() if line.startswith("│ digits"))
    # 100 epochs of 10 s, 90 looks at 200 images and 1 at 400, at 96 images a second: 0.33 h.
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:5] == ["digits", "90", "90", "10", "0.33"]
    assert "32 training images a second" in shown
    assert not (tmp_path / "none").exists()
