"""The trainable as Tune calls it, in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.tune.result import SHOULD_CHECKPOINT
from small_memory import GPU_ERROR, SmallMemory
from trials import config, manifest_of

from sa2vp.training.checkpoint import ARRAYS_FILE
from sa2vp.tuning.trainable import SA2VPTrainable, threads_for


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    assert result["workers"] == 1
    names = ("epoch", "train_loss", "val_loss", "val_top1", "test_top1", "done")
    return {name: result[name] for name in names}


def test_a_reused_actor_trains_as_a_new_one_and_a_lost_worker_continues(
    trainable: type[SA2VPTrainable], tmp_path: Path
) -> None:
    new = trainable(config("final"))
    expected = [without_times(new.step()) for _ in range(2)]
    assert [result["done"] for result in expected] == [False, True]
    assert expected[1]["test_top1"] is not None

    reused = trainable(config(task="others", lr=5e-3))
    assert reused.step()["test_top1"] is None
    assert reused.reset_config(config("final"))
    assert without_times(reused.step()) == expected[0]

    reused.save_checkpoint(str(tmp_path))
    assert reused.reset_config(config("final"))
    reused.load_checkpoint(str(tmp_path))
    assert without_times(reused.step()) == expected[1]

    assert reused.reset_config(config("final") | {"checkpoints": [str(tmp_path)]})
    assert without_times(reused.step()) == expected[1]


@pytest.mark.parametrize(
    "changes",
    [{"uid": "2"}, {"data": "beef"}, {}],
    ids=["of an earlier run of this name", "of other data", "damaged"],
)
def test_a_checkpoint_that_is_not_this_run_s_or_not_whole_is_passed_over(
    trainable: type[SA2VPTrainable], tmp_path: Path, changes: dict[str, str]
) -> None:
    folders = [tmp_path / "newest", tmp_path / "good"]
    other = trainable(config() | {"identity": config()["identity"] | changes})
    other.step()
    other.save_checkpoint(str(folders[0]))
    if not changes:  # one bit of an array, in a file of the right size
        arrays = bytearray((folders[0] / ARRAYS_FILE).read_bytes())
        arrays[-1] ^= 1
        (folders[0] / ARRAYS_FILE).write_bytes(arrays)
    own = trainable(config())
    expected = [without_times(own.step())]
    own.save_checkpoint(str(folders[1]))
    expected.append(without_times(own.step()))

    assert other.reset_config(config() | {"checkpoints": [str(folder) for folder in folders]})
    assert without_times(other.step()) == expected[1]
    assert other.reset_config(config() | {"checkpoints": [str(folders[0])]})
    assert without_times(other.step()) == expected[0]  # from the beginning
    other.load_checkpoint(str(folders[0]))  # as Tune does after a lost worker
    assert without_times(other.step()) == expected[0]


def test_a_run_that_diverges_reports_its_failure_and_leaves_the_actor_alive(
    trainable: type[SA2VPTrainable],
) -> None:
    actor = trainable(config(lr=1e30))
    result = actor.step()
    assert SHOULD_CHECKPOINT not in result  # half an epoch is nothing to continue from
    assert result["done"]
    assert "loss became" in result["failure"]
    assert "val_top1" not in result
    assert actor.reset_config(config())
    assert "failure" not in actor.step()


def test_a_run_fails_of_data_that_are_not_those_that_were_checked(
    trainable: type[SA2VPTrainable],
) -> None:
    actor = trainable(config(task="others") | {"manifest": manifest_of("photos")})
    result = actor.step()
    assert result["done"]
    assert "contents of images of train differ from what was checked" in result["failure"]
    assert SHOULD_CHECKPOINT not in result
    assert actor.reset_config(config())
    assert "failure" not in actor.step()


def test_a_run_without_memory_for_one_image_reports_its_failure(
    trainable: type[SA2VPTrainable],
) -> None:
    actor = trainable(config())
    run = actor._run
    tight = SmallMemory(run.model, training=0, evaluation=0, error=GPU_ERROR)
    run._classifier = replace(run._classifier, model=tight)
    result = actor.step()
    assert result["done"]
    assert result["failure"].startswith("out of memory in training with one image at a time")
    assert actor.reset_config(config())
    assert actor.step()["micro_batch"] == 40


def test_the_precision_is_followed_and_reported(
    trainable: type[SA2VPTrainable],
) -> None:
    losses = {}
    for asked, used in [("auto", "float32"), ("float32", "float32"), ("bfloat16", "bfloat16")]:
        result = trainable(config(dropout=0.0) | {"precision": asked}).step()
        assert result["precision"] == used
        losses[asked] = result["train_loss"]
    assert losses["auto"] == losses["float32"] != losses["bfloat16"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1.0, 1), (2.0, 2), (3.7, 3)])
def test_a_trial_has_a_thread_for_each_whole_core(cpus: float, threads: int) -> None:
    assert threads_for(cpus) == threads
