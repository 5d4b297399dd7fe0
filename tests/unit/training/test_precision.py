"""The forward pass in lower precision, and float16's loss scale as far as a CPU can run it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import runs
import torch
from torch import nn

from sa2vp.training.failures import NonFiniteLossError
from sa2vp.training.precision import MixedPrecision, choose_precision
from sa2vp.training.run import TrainingRun

CPU = torch.device("cpu")


def float16_run(**changes: float) -> TrainingRun:
    """A run in float16 on the CPU, which the public option refuses."""
    run = runs.make_run(**changes)
    run._precision = MixedPrecision("float16", CPU)
    run._classifier = replace(run._classifier, precision=run._precision)
    return run


def test_auto_is_float32_on_a_cpu_and_float16_is_refused() -> None:
    assert choose_precision("auto", CPU) == "float32"
    assert choose_precision("bfloat16", CPU) == "bfloat16"
    with pytest.raises(ValueError, match="precision float16 needs a GPU, not cpu; take bfloat16"):
        runs.make_run(precision="float16")
    with pytest.raises(ValueError, match="precision tf32 needs a GPU, not cpu"):
        choose_precision("tf32", CPU)
    with pytest.raises(ValueError, match="unknown precision 'half'; known: auto, float32"):
        runs.make_run(precision="half")


@pytest.mark.parametrize(
    ("name", "capability", "chosen"),
    [
        ("P100", (6, 0), "float32"),
        ("V100", (7, 0), "float16"),
        ("T4", (7, 5), "float16"),
        ("A100", (8, 0), "bfloat16"),
        ("L4", (8, 9), "bfloat16"),
        ("H100", (9, 0), "bfloat16"),
    ],
)
def test_auto_is_what_a_gpus_matrix_units_are_made_for(
    monkeypatch: pytest.MonkeyPatch, name: str, capability: tuple[int, int], chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    gpu = torch.device("cuda")
    assert choose_precision("auto", gpu) == chosen
    assert choose_precision("float16", gpu) == "float16"
    for asked in ("bfloat16", "tf32"):
        if chosen == "bfloat16":
            assert choose_precision(asked, gpu) == asked
        else:
            with pytest.raises(ValueError, match=f"{asked} needs .* from Ampere on, and {name} is"):
                choose_precision(asked, gpu)


@pytest.mark.parametrize("name", ["float32", "tf32", "bfloat16", "float16"])
def test_products_of_float32_are_rounded_where_the_name_says_so_alone(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    units = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [unit.allow_tf32 for unit in units]
    try:
        MixedPrecision("float32", CPU)
        assert [unit.allow_tf32 for unit in units] == before  # of a CPU there is nothing to set
        monkeypatch.setattr("sa2vp.training.precision.GradScaler", lambda *_, **__: None)
        MixedPrecision(name, torch.device("cuda"))
        assert [unit.allow_tf32 for unit in units] == [name == "tf32"] * 2
    finally:
        for unit, allowed in zip(units, before, strict=True):
            unit.allow_tf32 = allowed


def test_the_outputs_of_a_users_model_are_float32_for_the_loss() -> None:
    linear = nn.Linear(4, 3)
    outputs = MixedPrecision("bfloat16", CPU).forward(
        lambda x: {
            "logits": (linear(x), [linear(x)]),
            "classes": torch.zeros(2, dtype=torch.int64),
        },
        torch.zeros(2, 4),
    )
    logits, (others,) = outputs["logits"]
    assert (logits.dtype, others.dtype) == (torch.float32, torch.float32)
    assert outputs["classes"].dtype == torch.int64


def test_bfloat16_trains_close_to_float32_and_keeps_float32_arrays() -> None:
    exact, lower = runs.make_run(dropout=0.0), runs.make_run(dropout=0.0, precision="bfloat16")
    assert (exact.precision, lower.precision) == ("float32", "bfloat16")
    for one, other in zip(exact, lower, strict=True):
        assert one.train_loss != other.train_loss
        assert other.train_loss == pytest.approx(one.train_loss, rel=0.02)
        assert other.val_loss == pytest.approx(one.val_loss, rel=0.02)
    arrays = lower.model.trainable_state_dict()
    assert {array.dtype for array in arrays.values()} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_evaluation_tells_classes_apart_that_bfloat16_would_not(precision: str) -> None:
    run = runs.make_run(precision=precision, test=True)
    run.run_epoch()
    run.model.load_trainable_state_dict(
        run.model.trainable_state_dict()
        | {"head.weight": torch.zeros(4, 24), "head.bias": torch.tensor([99, 100, 100.1, 99])}
    )
    evaluation = run._evaluate(run._val)
    assert evaluation is not None
    assert set(evaluation.predicted.tolist()) == {2}


def test_float16_with_its_loss_scale_trains_close_to_float32() -> None:
    exact = runs.make_run(dropout=0.0).run_epoch()
    run = float16_run(dropout=0.0)
    run._precision.restore(run._precision.state() | {"scale": 256.0})  # no step overflows
    scaled = run.run_epoch()
    assert scaled.train_loss != exact.train_loss
    assert scaled.train_loss == pytest.approx(exact.train_loss, rel=0.01)


def test_a_gradient_that_overflows_skips_the_step_and_halves_the_scale() -> None:
    precision = MixedPrecision("float16", CPU)
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    assert precision.state()["scale"] == 65536

    precision.backward(weight.sum() * 1e35)  # 65536e35 is beyond float32
    precision.step(optimizer)
    assert weight.item() == 1.0
    assert precision.state()["scale"] == 32768

    optimizer.zero_grad()
    precision.backward(weight.sum() * 0.25)
    precision.step(optimizer)
    assert weight.item() == 0.75  # the scale is gone from the gradient
    assert precision.state()["scale"] == 32768


def test_skipped_steps_do_not_fail_a_run_and_do_not_count_for_adamw(tmp_path: Path) -> None:
    run = float16_run()  # four steps an epoch
    scaler = run._precision
    scaler.restore(scaler.state() | {"scale": 2.0**127})  # overflows once or more
    metrics = run.run_epoch()
    assert 0 < metrics.train_loss < 10
    run.save(tmp_path)
    counters = json.loads((tmp_path / "state.json").read_text())
    halvings = 127 - torch.tensor(counters["loss_scale"]["scale"]).log2().item()
    assert 1 <= halvings <= 4
    assert counters["step"] == 4

    continued = float16_run()
    continued.restore(tmp_path)
    assert continued._precision.state() == counters["loss_scale"]
    taken = {int(state["step"]) for state in continued._optimizer.state.values()}
    assert taken == ({int(4 - halvings)} if halvings < 4 else set())


def test_a_loss_that_overflows_is_left_out_and_a_run_of_nothing_else_has_failed() -> None:
    assert MixedPrecision("bfloat16", CPU).counts(float("inf"))  # and fails the run
    assert not MixedPrecision("float16", CPU).counts(float("nan"))
    run = float16_run(inter_weight=1e30)  # beyond float16 in the forward pass, at every step
    with pytest.raises(NonFiniteLossError, match="training loss became nan in epoch 1"):
        run.run_epoch()


def test_a_continued_float16_run_reaches_what_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = [metrics.train_loss for metrics in float16_run()]
    first = float16_run()
    losses = [first.run_epoch().train_loss]
    first.save(tmp_path)
    second = float16_run()
    second.restore(tmp_path)
    losses += [metrics.train_loss for metrics in second]
    assert losses == whole
