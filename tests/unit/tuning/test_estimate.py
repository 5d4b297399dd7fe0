"""What a plan is estimated to take, against sums worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from searches import ROOT

from sa2vp.tuning.estimate import Rates, estimate, expected_epochs
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
    # An epoch trains for 10 s; validation takes 2 s, the test 4 s.
    assert found.hours == pytest.approx((100 * 12 + 50 * 14) / 3600)
    # 15 checkpoints of 2**20 numbers of 4 bytes and the two moments of each.
    assert found.gib == pytest.approx(15 * 12 * 2**20 / 2**30)
    assert found + found == estimate(
        make_plan(
                suite="demo", trials=20, epochs=10, grace_epochs=10, seeds=4, confirm=6,
            ),
        IMAGES, Rates(32, 100), 2**20,
    )  # fmt: skip


def test_a_dry_run_prints_the_estimate_of_a_stated_rate_and_starts_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable, "run_search.py", "--suite", "demo", "--tasks", "digits", "--dry-run",
        "--results", str(tmp_path / "none"), "--trials", "9", "--epochs", "10",
        "--grace-epochs", "10", "--seeds", "1", "--images-per-second", "32",
    ]  # fmt: skip
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    *_, row = (line for line in shown.splitlines() if line.startswith("│ digits"))
    # 100 epochs of 10 s, 90 looks at 200 images and 10 at 400, at 96 images a second: 0.34 h.
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:5] == ["digits", "90", "90", "10", "0.34"]
    assert "32 training images a second" in shown
    assert not (tmp_path / "none").exists()
