"""``run_search.py`` on a real local Ray cluster: whole, continued, repeated, refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from searches import (
    ROOT,
    TIMELESS,
    TINY,
    read,
    run_search,
)


def test_every_run_is_a_row_that_leads_back_to_its_making(finished: Path) -> None:
    runs = read(finished, "runs").set_index("run_id")
    assert list(runs.index) == [
        "demo-digits-final-seed1",
        "demo-digits-search-0000",
        "demo-digits-search-0001",
    ]
    assert set(runs["status"]) == {"completed"} or "stopped" in set(runs["status"])
    final, searched = runs.iloc[0], runs.iloc[1:]
    assert final["test_top1"] >= 0
    assert searched["test_top1"].isna().all()
    assert len(set(runs["data_fingerprint"])) == 1
    assert (runs["trainable_params"] > 0).all()
    assert (runs["backbone_params"] < 2_000_000).all()
    assert set(runs["precision"]) <= {"float32", "bfloat16"}
    assert list(runs["micro_batch"]) == list(runs["batch_size"])
    epochs = read(finished, "epochs")
    assert epochs[epochs["run_id"] != final.name]["test_top1"].isna().all()
    tested = epochs[epochs["run_id"] == final.name]["test_top1"].notna()
    assert list(tested) == [False] * (len(tested) - 1) + [True]  # once, at the end


def test_the_predictions_of_a_final_run_are_kept_and_give_its_accuracy(finished: Path) -> None:
    assert [file.stem for file in (finished / "predictions").iterdir()] == [
        "demo-digits-final-seed1"
    ]
    predictions = read(finished, "predictions")
    assert list(predictions["image"]) == list(range(400))
    correct = predictions["target"] == predictions["predicted"]
    assert list(correct) == list(predictions["correct"])
    final = read(finished, "runs").set_index("run_id").loc["demo-digits-final-seed1"]
    assert 100 * correct.mean() == pytest.approx(final["test_top1"])


def test_the_tables_show_the_search(finished: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "reproduce_tables.py", "--results", str(finished)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "demo-digits-search-000" in shown.stdout
    assert "digits" in shown.stdout


def test_another_configuration_is_refused_before_ray_starts(finished: Path) -> None:
    refused = run_search(finished, *TINY, "--epochs", "3")
    assert refused.returncode == 2
    assert refused.stderr.startswith("run_search.py: --epochs: ")
    assert refused.stderr.count("\n") == 1
    assert "Dashboard" not in refused.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="a cluster with a GPU takes float16")
def test_float16_without_a_gpu_is_refused_before_any_trial(tmp_path: Path) -> None:
    refused = run_search(tmp_path, *TINY, "--precision", "float16")
    assert refused.returncode == 2
    assert refused.stderr.startswith("run_search.py: --precision: float16 needs a GPU")
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_recipe_repeats_the_final_run_and_says_that_it_matched(
    finished: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "reproduce_tables.py", "--results", finished, "--recipes", tmp_path],
        cwd=ROOT, check=True,
    )  # fmt: skip
    (recipe,) = tmp_path.glob("*.toml")
    again = tmp_path / "again"
    command = ["--recipe", str(recipe), "--results", str(again)]
    done = subprocess.run(
        [sys.executable, "run_search.py", *command], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", as in the recipe" in done.stdout
    (row,) = read(again, "runs").to_dict("records")
    first = read(finished, "runs").set_index("run_id").loc["demo-digits-final-seed1"]
    assert (row["run_id"], row["status"], row["matched"]) == (
        "demo-digits-final-seed1",
        "completed",
        True,
    )
    same = ["inter_dim", "inter_weight", "lr", "batch_size", "precision", "dropout", "test_top1"]
    assert [row[name] for name in same] == [first[name] for name in same]
    epochs = read(finished, "epochs").query("run_id == 'demo-digits-final-seed1'")
    pd.testing.assert_frame_equal(
        read(again, "epochs")[TIMELESS], epochs[TIMELESS].reset_index(drop=True)
    )
    other = run_search(finished, "--recipe", str(recipe))
    assert other.returncode == 2
    assert "--fresh" in other.stderr  # a search and a recipe are not mixed
