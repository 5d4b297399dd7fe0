"""Batches that do not fit: halved until they do, with the losses of the whole batch.

Without a GPU the error is simulated: a model that runs out of memory above a number of images.
"""

from __future__ import annotations

import gc
import json
import logging
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import runs
import torch
from small_memory import GPU_ERROR, SmallMemory
from torch import Tensor

from sa2vp.models.learned import LearnedArrays
from sa2vp.training.failures import MemoryExhaustedError
from sa2vp.training.micro_batch import MicroBatch, is_out_of_memory
from sa2vp.training.run import EpochMetrics, TrainingRun

CPU_ERROR = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 1099511627776 bytes. Error code 12 (Cannot allocate memory)"
)


def small(
    training: int, evaluation: int = 1000, error: Exception = GPU_ERROR
) -> Callable[[LearnedArrays], LearnedArrays]:
    return lambda model: SmallMemory(model, training, evaluation, error)


def numbers(metrics: EpochMetrics) -> list[float]:
    return [metrics.train_loss, metrics.val_loss, metrics.val_top1]


def batch_of_11(**changes: object) -> TrainingRun:
    """Three steps of 11 images an epoch: halves of 5 leave a part of one image."""
    return runs.make_run(**({"batch_size": 11, "dropout": 0.0, "epochs": 2} | changes))


@pytest.mark.parametrize(
    ("error", "fits", "micro_batch", "parts"),
    [
        (GPU_ERROR, 7, 5, [5, 5, 1]),
        (CPU_ERROR, 4, 2, [2, 2, 2, 2, 2, 1]),
        (MemoryError(), 1, 1, [1] * 11),
    ],
)
def test_parts_of_a_batch_train_as_the_whole_batch(
    error: Exception, fits: int, micro_batch: int, parts: list[int]
) -> None:
    whole = batch_of_11()
    divided = batch_of_11(wrap=small(fits, evaluation=3, error=error))
    expected, reached = list(whole), list(divided)
    for one, other in zip(expected, reached, strict=True):
        assert numbers(other) == pytest.approx(numbers(one), rel=1e-5)
    assert [metrics.micro_batch for metrics in expected] == [11] * 2
    assert [metrics.micro_batch for metrics in reached] == [micro_batch] * 2
    assert isinstance(divided.model, SmallMemory)
    assert divided.model.seen == parts * 6  # the failed attempts never came to a second part
    arrays = divided.model.trainable_state_dict()
    for name, array in whole.model.trainable_state_dict().items():
        torch.testing.assert_close(arrays[name], array, rtol=1e-4, atol=1e-5)


def test_an_attempt_that_fails_half_way_leaves_nothing_behind() -> None:
    """The second part of the first step is one image too many, after the first left gradients."""

    class Failing(SmallMemory):
        calls = 0

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            self.calls += self.training
            if self.training and self.calls == 2:
                raise GPU_ERROR
            return super().forward(images)

    def start(model: LearnedArrays) -> LearnedArrays:
        return Failing(model, 1000, 1000, GPU_ERROR)

    expected = batch_of_11().run_epoch()
    run = batch_of_11(wrap=start)
    run._micro_batch.limit(8)
    metrics = run.run_epoch()
    assert numbers(metrics) == pytest.approx(numbers(expected), rel=1e-5)
    assert metrics.micro_batch == 4


def test_dropout_draws_what_it_would_have_drawn_with_the_smaller_parts_at_once() -> None:
    halved = runs.make_run(wrap=small(4)).run_epoch()
    limited = runs.make_run(wrap=small(4))
    limited._micro_batch.limit(4)
    assert numbers(halved) == numbers(limited.run_epoch())


def test_the_smaller_size_is_logged_and_survives_a_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = runs.make_run(wrap=small(2, evaluation=16))
    with caplog.at_level(logging.WARNING, logger="sa2vp.training.micro_batch"):
        run.run_epoch()
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "from here on 4 images at a time",
        "from here on 2 images at a time",
        "from here on 32 images at a time",
        "from here on 16 images at a time",
    ]
    assert "out of memory in training (CUDA out of memory. Tried" in caplog.text
    run.save(tmp_path)
    counters = json.loads((tmp_path / "state.json").read_text())
    assert (counters["micro_batch"], counters["evaluation_batch"]) == (2, 16)

    caplog.clear()
    continued = runs.make_run(wrap=small(2, evaluation=16))
    continued.restore(tmp_path)
    assert continued.run_epoch().micro_batch == 2
    assert not caplog.records


def test_a_checkpoint_of_a_run_that_fits_sets_no_limit(tmp_path: Path) -> None:
    run = runs.make_run()
    run.run_epoch()
    run.save(tmp_path)
    counters = json.loads((tmp_path / "state.json").read_text())
    assert (counters["micro_batch"], counters["evaluation_batch"]) == (None, None)


@pytest.mark.parametrize(
    ("training", "evaluation", "purpose"), [(0, 99, "training"), (99, 0, "evaluation")]
)
def test_one_image_that_does_not_fit_ends_the_run_in_one_line(
    training: int, evaluation: int, purpose: str
) -> None:
    run = runs.make_run(wrap=small(training, evaluation))
    with pytest.raises(MemoryExhaustedError) as raised:
        run.run_epoch()
    message = str(raised.value)
    assert message.startswith(f"out of memory in {purpose} with one image at a time (CUDA out of")
    assert "use a device with more free memory" in message
    assert "\n" not in message
    assert raised.value.__context__ is None  # nothing keeps the tensors of the attempt


def test_the_tensors_of_a_failed_attempt_are_gone_before_the_next() -> None:
    left: list[weakref.ref[Tensor]] = []

    def work(size: int) -> list[Tensor | None]:
        if size == 8:
            tensor = torch.zeros(1000)
            left.append(weakref.ref(tensor))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [reference() for reference in left]

    gc.disable()
    try:
        assert MicroBatch(8, "training").fit(work) == [None]
    finally:
        gc.enable()


def test_other_errors_are_raised_as_they_are() -> None:
    def work(size: int) -> None:
        raise RuntimeError(f"shapes differ at {size}")

    with pytest.raises(RuntimeError, match="shapes differ at 8"):
        MicroBatch(8, "training").fit(work)


def test_the_allocators_own_error_is_known() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)  # a million terabytes
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(ValueError("can't allocate memory"))
