"""Searches whose driver or worker is killed reach what an uninterrupted one does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
from searches import (
    TIMELESS,
    TINY,
    epochs_of,
    read,
    run_search,
    start_search,
    wait_for,
    workers_of,
)

from sa2vp.use.final_runs import load_final_run


@pytest.mark.parametrize("victim", ["driver", "worker"])
def test_killed_and_continued_equals_uninterrupted(
    finished: Path, tmp_path: Path, victim: str
) -> None:
    driver = start_search(tmp_path, *TINY)
    wait_for(lambda: epochs_of(tmp_path, "demo-digits-search-0001") >= 1)
    if victim == "driver":
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        continued = run_search(tmp_path, *TINY)
        assert continued.returncode == 0, continued.stdout + continued.stderr
    else:
        wait_for(lambda: workers_of(driver))
        (worker,) = workers_of(driver)
        os.kill(worker, signal.SIGKILL)
        output, _ = driver.communicate()
        assert driver.returncode == 0, output
    for results in (finished, tmp_path):
        assert set(read(results, "runs")["status"]) <= {"completed", "stopped"}
    pd.testing.assert_frame_equal(
        read(tmp_path, "epochs")[TIMELESS], read(finished, "epochs")[TIMELESS]
    )


def test_a_search_that_the_model_decides_is_continued_with_the_same_decisions(
    tmp_path: Path,
) -> None:
    forecast = [
        "--suite", "demo", "--tasks", "digits", "--trials", "6", "--epochs", "3", "--seeds", "1",
        "--sampler", "forecast", "--scheduler", "forecast",
    ]  # fmt: skip
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    done = run_search(whole, *forecast)
    assert done.returncode == 0, done.stdout + done.stderr
    driver = start_search(pieces, *forecast)
    wait_for(lambda: epochs_of(pieces, "demo-digits-search-0004") >= 1)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    continued = run_search(pieces, *forecast)
    assert continued.returncode == 0, continued.stdout + continued.stderr
    decided = [*TIMELESS, "decision", "reason"]
    expected = read(whole, "epochs")[decided]
    pd.testing.assert_frame_equal(read(pieces, "epochs")[decided], expected)
    assert "stop" in set(expected["decision"])


def test_two_workers_a_trial_of_which_one_is_lost_reach_what_one_does(
    finished: Path, tmp_path: Path
) -> None:
    first = "demo-digits-search-0000"
    shared = [*TINY, "--trials", "1", "--workers-per-trial", "2", "--cpus-per-trial", "1"]
    driver = start_search(tmp_path, *shared)
    wait_for(lambda: epochs_of(tmp_path, first) >= 1)
    os.kill(workers_of(driver, "RayTrainWorker")[-1], signal.SIGKILL)
    output, _ = driver.communicate()
    assert driver.returncode == 0, output
    runs = read(tmp_path, "runs")
    assert list(runs["run_id"]) == ["demo-digits-final-seed1", first]
    assert set(runs["status"]) == {"completed"}
    weights = load_final_run(str(tmp_path), run_id="demo-digits-final-seed1").arrays
    assert "head.bias" in weights  # of the last epoch, which is the only one with all of its steps
    alone, together = (
        read(results, "runs").set_index("run_id").loc[first] for results in (finished, tmp_path)
    )
    assert (alone["workers"], together["workers"]) == (1, 2)
    assert together["micro_batch"] * 2 == alone["micro_batch"]
    one, two = (
        pd.read_parquet(results / "epochs" / f"{first}.parquet") for results in (finished, tmp_path)
    )
    losses, accuracies = ["train_loss", "val_loss"], ["val_top1", "test_top1"]
    pd.testing.assert_frame_equal(two[["run_id", "epoch", "lr"]], one[["run_id", "epoch", "lr"]])
    pd.testing.assert_frame_equal(two[losses], one[losses], rtol=1e-4)
    # Rounding may turn the class of one image of 200.
    pd.testing.assert_frame_equal(two[accuracies], one[accuracies], rtol=0, atol=0.5)
