"""One run: what it yields, that it can stop and continue anywhere, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import runs
import torch
from searches import ROOT
from timm.models.vision_transformer import VisionTransformer
from tiny import make_tiny_backbone

from sa2vp.data.images.normalise import Normalise
from sa2vp.models import create_sa2vp
from sa2vp.training.checkpoint import CheckpointError
from sa2vp.training.failures import NonFiniteLossError
from sa2vp.training.optimizer import build_adamw
from sa2vp.training.run import TrainingRun
from sa2vp.training.settings import SA2VPSettings


def run_in_new_process(epochs: int, load: Path, save: Path) -> list[str]:
    finished = subprocess.run(
        [sys.executable, runs.__file__, str(epochs), load, save],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()


def test_stopped_and_restored_in_a_new_process_continues_bit_for_bit(tmp_path: Path) -> None:
    uninterrupted = runs.lines(4)
    first = runs.lines(1, save=tmp_path / "a")
    second = run_in_new_process(2, tmp_path / "a", tmp_path / "b")
    third = runs.lines(1, load=tmp_path / "b")
    assert first + second + third == uninterrupted
    assert len(set(uninterrupted)) == 4


def test_learns_and_reports_percent() -> None:
    metrics = list(runs.make_run(epochs=10, lr=3e-2, train=200, batch_size=20))
    assert [m.epoch for m in metrics] == list(range(1, 11))
    assert metrics[-1].val_top1 >= 75  # chance is 25
    assert all(m.val_top1 in range(0, 101, 5) for m in metrics)  # 20 images: 5 percent each
    assert metrics[-1].train_loss < metrics[0].train_loss


def test_a_search_run_has_no_test_accuracy_and_a_final_run_has() -> None:
    assert runs.make_run().run_epoch().test_top1 is None
    assert runs.make_run(test=True).run_epoch().test_top1 is not None


def test_the_last_short_batch_is_dropped(tmp_path: Path) -> None:
    run = runs.make_run(train=35, batch_size=8)
    run.run_epoch()
    run.save(tmp_path)
    assert json.loads((tmp_path / "state.json").read_text())["step"] == 4  # 35 = 4 * 8 + 3


def test_the_seed_decides_every_number() -> None:
    first, same, other = (runs.make_run(seed=s).run_epoch() for s in (5, 5, 6))
    assert first.train_loss == same.train_loss
    assert first.train_loss != other.train_loss


def test_a_diverging_run_fails_with_the_reason() -> None:
    run = runs.make_run(lr=1e30, epochs=10)
    with pytest.raises(NonFiniteLossError, match=r"(training|validation) loss became .* in epoch"):
        list(run)


def test_a_batch_larger_than_the_split_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 8 exceeds the 7 training images"):
        runs.make_run(train=7)


def test_weight_decay_is_on_matrices_only() -> None:
    model = create_sa2vp(make_tiny_backbone())
    decayed, plain = build_adamw(model, lr=1e-3, weight_decay=0.5).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    undecayed = {names[id(p)] for p in plain["params"]}
    assert {n.rsplit(".")[-1] for n in undecayed} == {"bias", "weight"}
    assert all(n.endswith(".bias") or ".norm." in n for n in undecayed)
    assert {names[id(p)] for p in decayed["params"]} >= {"prompt", "deep_prompt", "deep_scale"}


def vit_b16_run() -> TrainingRun:
    """Give a run on a backbone of ViT-B/16's width, depth and token count, weights aside."""
    model = create_sa2vp(VisionTransformer(num_classes=0), num_classes=10, inter_dim=16)
    settings = SA2VPSettings(
        inter_dim=16, inter_weight=0.5, lr=1e-3, batch_size=1, epochs=1, seed=0
    )
    one = runs.examples(1, seed=1)
    return TrainingRun(
        model,
        settings,
        train=one,
        val=one,
        prepare=Normalise((224, 224)),
        device=torch.device("cpu"),
    )


def test_a_checkpoint_of_vit_b16_holds_learned_arrays_only(tmp_path: Path) -> None:
    run = vit_b16_run()
    run.run_epoch()
    run.save(tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    # 372,912 learned and 7,690 of the head, each with two moments, 4 bytes apiece: 4.57 MB.
    assert 4.56e6 < size < 5e6


def test_damaged_or_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    run = runs.make_run()
    run.run_epoch()
    run.save(tmp_path)
    with pytest.raises(CheckpointError, match="other settings"):
        runs.make_run(lr=2e-2).restore(tmp_path)
    counters = tmp_path / "state.json"
    whole = counters.read_text()
    counters.write_text(whole.replace('"epoch": 1', '"epoch": 2'))
    with pytest.raises(CheckpointError, match=r"state\.json is not what was saved there"):
        runs.make_run().restore(tmp_path)
    counters.write_text(whole)
    other = runs.make_run()
    other.identify({"uid": "of a later run"}, start=1)
    with pytest.raises(CheckpointError, match="its uid is None, not of a later run"):
        other.restore(tmp_path)
    arrays = tmp_path / "state.safetensors"
    content = arrays.read_bytes()
    for damaged in (content[:-10], content[:-1] + bytes([content[-1] ^ 1])):
        arrays.write_bytes(damaged)
        with pytest.raises(
            CheckpointError, match=r"state\.safetensors is not what was saved there"
        ):
            runs.make_run().restore(tmp_path)
    with pytest.raises(CheckpointError, match="nowhere: not a complete checkpoint"):
        runs.make_run().restore(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inter_dim", 0),
        ("inter_weight", -0.1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("batch_size", 0),
        ("weight_decay", -1.0),
        ("dropout", 1.0),
        ("epochs", 0),
        ("seed", -1),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .* got {value}"):
        runs.make_run(**{field: value})


def test_images_are_resized_and_normalised_to_minus_one_to_one() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).repeat(1, 3, 2, 1)
    assert Normalise((2, 2))(image).unique().tolist() == [-1.0, 1.0]
    assert Normalise((4, 6))(image).shape == (1, 3, 4, 6)
