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
from sa2vp.methods.optimizers import build_adamw
from sa2vp.methods.sa2vp import SA2VP
from sa2vp.models import create_sa2vp
from sa2vp.training.checkpoint import CheckpointError
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.failures import NonFiniteLossError
from sa2vp.training.run import EpochMetrics, TrainingRun


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
    tested = [metrics.test_top1 for metrics in runs.make_run(test=True)]
    assert [top1 is not None for top1 in tested] == [False, False, False, True]


def test_a_curve_of_the_test_split_is_made_every_so_many_epochs_and_at_the_end() -> None:
    tested = [metrics.test_top1 for metrics in runs.make_run(test=True, test_every=2, epochs=5)]
    assert [top1 is not None for top1 in tested] == [False, True, False, True, True]


def test_what_was_learned_at_the_best_validation_epoch_is_tested_at_the_end(tmp_path: Path) -> None:
    """As if every epoch were tested, also where the run stops in between."""
    changes = {"test": True, "epochs": 5, "lr": 3e-2, "seed": 8}
    curve = list(runs.make_run(test_every=1, **changes))
    validated = [metrics.val_top1 for metrics in curve]
    best = validated.index(max(validated))
    assert best < 3  # before the run stops, and not the last
    first = runs.make_run(**changes)
    for _ in range(4):
        assert first.run_epoch().test_top1_at_best_val is None
    first.save(tmp_path)
    second = runs.make_run(**changes)
    second.restore(tmp_path)
    last = second.run_epoch()
    assert (last.train_loss, last.test_top1) == (curve[-1].train_loss, curve[-1].test_top1)
    assert last.test_top1_at_best_val == curve[best].test_top1
    assert curve[-1].test_top1_at_best_val == curve[best].test_top1
    assert last.test_top1_at_best_val != last.test_top1
    learned = second.model.trainable_state_dict()  # those of the last epoch again
    whole = runs.make_run(test_every=1, **changes)
    assert list(whole)
    for name, array in whole.model.trainable_state_dict().items():
        assert torch.equal(array, learned[name])


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
    values = {"inter_dim": 16, "inter_weight": 0.5, "lr": 1e-3, "batch_size": 1}
    configuration = RunConfiguration.of(SA2VP, values, epochs=1, seed=0)
    one = runs.examples(1, seed=1)
    return TrainingRun(
        model,
        configuration,
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
    with pytest.raises(CheckpointError, match="another configuration"):
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
def test_hyperparameters_out_of_range_are_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .* got {value}"):
        runs.make_run(**{field: value})


def test_images_are_resized_and_normalised_to_minus_one_to_one() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).repeat(1, 3, 2, 1)
    assert Normalise((2, 2))(image).unique().tolist() == [-1.0, 1.0]
    assert Normalise((4, 6))(image).shape == (1, 3, 4, 6)


def test_with_the_defaults_a_run_is_as_it_was_before_they_could_be_set() -> None:
    metrics = list(runs.make_run(epochs=2, dropout=0.1))
    assert [m.train_loss for m in metrics] == pytest.approx([1.353838, 1.209608], abs=1e-5)
    assert [m.val_loss for m in metrics] == pytest.approx([1.211289, 1.139250], abs=1e-5)
    assert [m.lr for m in metrics] == [0.007867903502933413, 0.0004685563802061022]


def one_epoch(**overrides: float) -> EpochMetrics:
    return runs.make_run(dropout=0.0, **overrides).run_epoch()


def test_warm_up_and_final_rate_are_those_of_the_schedule() -> None:
    # 4 steps an epoch: the last of the first epoch is the third of 8 steps of warm-up.
    assert one_epoch(warmup_epochs=2.0, lr=0.8).lr == pytest.approx(0.3)
    metrics = list(runs.make_run(epochs=2, warmup_epochs=0.0, lr=0.8, min_lr=0.4, dropout=0.0))
    # The last of 8 steps: 7 / 8 of half a cosine from 0.8 to 0.4.
    assert metrics[-1].lr == pytest.approx(0.4 + 0.4 * 0.0380602337)


def test_label_smoothing_is_of_the_training_loss_alone() -> None:
    plain, smooth = (one_epoch(lr=1e-30, min_lr=0.0, label_smoothing=value) for value in (0.0, 0.5))
    assert smooth.train_loss != plain.train_loss
    assert smooth.val_loss == plain.val_loss  # at this learning rate nothing has been learned


def test_the_weights_scale_the_streams_losses_in_training_alone() -> None:
    weights = [(0.8, 0.2), (1.6, 0.4), (1.0, 0.0), (0.0, 1.0)]
    plain, doubled, image, prompt = (
        one_epoch(lr=1e-30, min_lr=0.0, image_loss_weight=a, prompt_loss_weight=b)
        for a, b in weights
    )
    assert doubled.train_loss == pytest.approx(2 * plain.train_loss)
    assert plain.train_loss == pytest.approx(0.8 * image.train_loss + 0.2 * prompt.train_loss)
    assert image.train_loss != pytest.approx(prompt.train_loss)
    assert doubled.val_loss == pytest.approx(plain.val_loss)  # or it would rank behind at a tie


def test_gradients_are_clipped_to_the_norm_and_no_further() -> None:
    plain, wide, narrow = (runs.make_run(dropout=0.0, **c) for c in CLIPS)
    for run in (plain, wide, narrow):
        run.run_epoch()
    norm = torch.cat([p.grad.flatten() for p in narrow.model.parameters() if p.requires_grad])
    assert norm.norm().item() == pytest.approx(1e-3, rel=1e-3)
    states = [run.model.trainable_state_dict()["prompt"] for run in (plain, wide, narrow)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


CLIPS: list[dict[str, float]] = [{}, {"grad_clip": 1e9}, {"grad_clip": 1e-3}]
