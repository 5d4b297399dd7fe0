"""Runs shared by two real worker processes reach what one worker does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import runs
import torch
import workers
from searches import ROOT

from sa2vp.training.distributed import Workers

# 35 training images make three batches of 11, shared as 6 and 5; 21 images to evaluate.
PLAIN = {"batch_size": 11, "val": 21, "dropout": 0.0, "epochs": 3}
CASES: dict[str, dict[str, Any]] = {
    "plain": PLAIN | {"test": True, "test_every": 1},
    "first": PLAIN | {"stop_after": 1},
    "second": PLAIN | {"load": "first"},
    "tight": PLAIN | {"fits": [99, 2]},
    "one-image": PLAIN | {"val": 1, "stop_after": 1},
    "bfloat16": PLAIN | {"precision": "bfloat16"},
    "dropout": PLAIN | {"dropout": 0.1},
    "dropout-first": PLAIN | {"dropout": 0.1, "stop_after": 2},
    "dropout-second": PLAIN | {"dropout": 0.1, "load": "dropout-first"},
}
LOSSES = ("train_loss", "val_loss")


def start_workers(folder: Path, cases: dict[str, dict[str, Any]]) -> list[subprocess.Popen[str]]:
    (folder / "cases.json").write_text(json.dumps(cases))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return [
        subprocess.Popen(
            [sys.executable, workers.__file__, str(rank), "2", folder],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder with what two workers saw in each case."""
    folder = tmp_path_factory.mktemp("workers")
    for worker in start_workers(folder, CASES):
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
    return folder


def seen(folder: Path, case: str, rank: int = 0) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{case}-{rank}.json").read_text())
    return content


def alone(folder: Path, case: str, **changes: Any) -> dict[str, Any]:
    return workers.run_case(folder, rank=0, **(CASES[case] | changes))[1]


def assert_same_training(reached: dict[str, Any], expected: dict[str, Any], rel: float) -> None:
    for one, other in zip(reached["epochs"], expected["epochs"], strict=True):
        assert [one[name] for name in LOSSES] == pytest.approx(
            [other[name] for name in LOSSES], rel=rel
        )
        for name in ("epoch", "lr", "val_top1", "test_top1"):
            assert one[name] == other[name]
    for name, array in expected["arrays"].items():
        torch.testing.assert_close(
            torch.tensor(reached["arrays"][name]), torch.tensor(array), rtol=100 * rel, atol=rel
        )


def test_two_workers_train_as_one_with_the_same_batches(shared: Path) -> None:
    for rank in range(2):
        assert_same_training(seen(shared, "plain", rank), alone(shared, "plain"), rel=1e-5)
    assert [epoch["micro_batch"] for epoch in seen(shared, "plain")["epochs"]] == [6] * 3
    assert seen(shared, "plain", 0)["arrays"] == seen(shared, "plain", 1)["arrays"]


def test_each_image_is_evaluated_once_an_epoch_by_one_worker(shared: Path) -> None:
    splits = (runs.examples(21, seed=2), runs.examples(20, seed=3))  # validation, test
    images = [image.long().sum().item() for split in splits for image in split.inputs]
    assert len(set(images)) == 41
    both = [seen(shared, "plain", rank)["evaluated"] for rank in range(2)]
    assert sorted(both[0] + both[1]) == sorted(images * 3)
    assert [len(own) for own in both] == [3 * (11 + 10), 3 * (10 + 10)]


def test_a_split_of_one_image_leaves_a_worker_without_any(shared: Path) -> None:
    assert [len(seen(shared, "one-image", rank)["evaluated"]) for rank in range(2)] == [1, 0]
    for rank in range(2):
        reached = seen(shared, "one-image", rank)
        assert_same_training(reached, alone(shared, "one-image"), rel=1e-5)


def test_a_shared_run_continues_with_any_number_of_workers(shared: Path) -> None:
    whole = seen(shared, "plain")
    parts = seen(shared, "first")["epochs"] + seen(shared, "second")["epochs"]
    assert [epoch["train_loss"] for epoch in parts] == [
        epoch["train_loss"] for epoch in whole["epochs"]
    ]
    by_one = alone(shared, "second")
    assert_same_training(by_one, seen(shared, "second"), rel=1e-5)


def test_a_worker_that_runs_out_of_memory_finds_its_own_parts_and_the_others_follow(
    shared: Path,
) -> None:
    for rank in range(2):
        tight = seen(shared, "tight", rank)
        assert_same_training(tight, alone(shared, "plain", test=False), rel=1e-5)
        # Of six images three are still too many, and then one: from the first epoch's end on, for
        # both workers.
        assert [epoch["micro_batch"] for epoch in tight["epochs"]] == [1] * 3
    state = json.loads((shared / "tight" / "state.json").read_text())
    assert (state["micro_batch"], state["evaluation_batch"]) == (1, 2)


def test_bfloat16_is_shared_too(shared: Path) -> None:
    exact, lower = seen(shared, "plain")["epochs"], seen(shared, "bfloat16")["epochs"]
    for one, other in zip(exact, lower, strict=True):
        assert other["train_loss"] != one["train_loss"]
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)


def test_dropout_differs_from_worker_to_worker_and_is_the_same_again(shared: Path) -> None:
    first, second = (seen(shared, "dropout", rank) for rank in range(2))
    assert first["draw"] != second["draw"]
    assert first["arrays"] == second["arrays"]
    again = seen(shared, "dropout-first")["epochs"] + seen(shared, "dropout-second")["epochs"]
    assert [[epoch[name] for name in LOSSES] for epoch in again] == [
        [epoch[name] for name in LOSSES] for epoch in first["epochs"]
    ]
    assert seen(shared, "dropout-second")["arrays"] == first["arrays"]


def test_one_worker_without_memory_for_an_image_ends_the_run_for_all(tmp_path: Path) -> None:
    first, second = start_workers(tmp_path, {"lost": PLAIN | {"fits": [99, 0]}})
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 1, errors
    assert "out of memory in training with one image at a time" in errors
    first.communicate(timeout=120)  # it does not wait for the other for ever
    assert first.returncode != 0


def test_shares_differ_by_one_image_at_most() -> None:
    device = torch.device("cpu")
    shares = [Workers(device, rank, 4).share(torch.arange(10)).tolist() for rank in range(4)]
    assert shares == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
    short = [Workers(device, rank, 3).share(torch.arange(2)).tolist() for rank in range(3)]
    assert short == [[0], [1], []]
