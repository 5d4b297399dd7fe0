"""What a run asks of a GPU, and a run on the CPU does not. Answers of CUDA are made up here."""

from __future__ import annotations

import gc
import sys
import warnings
import weakref
from pathlib import Path

import pytest
import runs
import torch
from timm.layers import Mlp

from sa2vp.models.fast.mlp import frozen_mlp
from sa2vp.training import generators
from sa2vp.training.memory import fence, give_back, share_of
from sa2vp.training.micro_batch import MicroBatch, is_out_of_memory

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List what is asked of a GPU that looks as if it were there."""
    calls: list[str] = []

    def answering(name: str, answer: object) -> None:
        def answered(*_: object, **__: object) -> object:
            calls.append(name)
            return answer

        monkeypatch.setattr(torch.cuda, name, answered)

    def is_available() -> bool:  # to this project; PyTorch's own optimisers ask it for streams
        return "/sa2vp/" in sys._getframe(1).f_code.co_filename

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    answering("get_rng_state", torch.zeros(16, dtype=torch.uint8))
    answering("set_rng_state", None)
    answering("empty_cache", None)
    answering("current_device", 0)
    answering("_lazy_init", None)
    return calls


def test_a_run_on_the_cpu_asks_nothing_of_a_gpu(asked: list[str], tmp_path: Path) -> None:
    first = runs.make_run(epochs=2)
    first.run_epoch()
    first.save(tmp_path)
    second = runs.make_run(epochs=2)
    second.restore(tmp_path)
    second.run_epoch()
    assert asked == []


def test_the_state_of_generators_goes_by_the_device(asked: list[str]) -> None:
    on_cpu, on_gpu = generators.generator_states(CPU), generators.generator_states(GPU)
    assert (list(on_cpu), list(on_gpu)) == (["cpu"], ["cpu", "cuda"])
    assert asked == ["get_rng_state"]
    generators.restore_generators(on_gpu, CPU)  # a run that goes on elsewhere
    generators.restore_generators(on_cpu, GPU)
    assert asked == ["get_rng_state"]
    generators.restore_generators(on_gpu, GPU)
    assert asked == ["get_rng_state", "set_rng_state"]


@pytest.mark.parametrize("tokens", [3, 1500])
def test_the_frozen_mlp_resizes_no_buffer_off_the_cpu(
    tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that chunks nothing; PyTorch warns where ``out=`` has to be resized."""
    monkeypatch.setattr("sa2vp.models.fast.mlp._chunks", lambda x: [slice(0, len(x))], raising=True)
    mlp = Mlp(8, 32).requires_grad_(False)
    x = torch.randn(1, tokens, 8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        out = frozen_mlp(mlp, x, dropout_rate=0.0)
    torch.testing.assert_close(out, mlp(x))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA driver error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "HIP out of memory. Tried to allocate 2.00 GiB",
    ],
)
def test_every_form_of_exhausted_memory_is_known(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
        "cuDNN error: CUDNN_STATUS_BAD_PARAM",
        "out of resource: shared memory",
    ],
)
def test_other_errors_of_a_gpu_are_not_taken_for_it(text: str) -> None:
    assert not is_out_of_memory(RuntimeError(text))


def test_a_neighbours_peak_does_not_halve_the_parts_for_good(asked: list[str]) -> None:
    """Of 8 images at once, 4 fit while another process holds memory, until the third epoch."""
    parts = MicroBatch(8, "training", GPU)
    tried: list[int] = []
    for fits in (4, 4, 8, 8, 8):

        def work(size: int, fits: int = fits) -> None:
            tried.append(size)
            if size > fits:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        parts.begin_epoch()
        parts.fit(work)
    assert "empty_cache" in asked
    # The second attempt fails too; then one epoch is left out before the third.
    assert tried == [8, 4, 8, 4, 4, 8, 8]
    assert (parts.size, parts.limited_to) == (8, None)


def test_on_a_cpu_the_parts_stay_as_small_as_they_had_to_become() -> None:
    parts = MicroBatch(8, "training")
    parts.limit(4)
    for _ in range(5):
        parts.begin_epoch()
    assert parts.size == 4


def test_actors_that_share_a_gpu_are_fenced(monkeypatch: pytest.MonkeyPatch) -> None:
    fenced: list[tuple[float, torch.device]] = []
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda *given: fenced.append(given)
    )

    class Properties:
        total_memory = 10 * 2**30

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    fence(GPU, 1.0)  # a GPU of its own
    fence(CPU, 0.0)
    assert fenced == []
    fence(GPU, 0.5)
    # Half of 10 GiB, less 0.75 GiB for what lies outside of PyTorch's allocator.
    assert fenced == [(0.425, GPU)]
    assert share_of(0.1, 10 * 2**30) == 0.05  # never less than half of the share


def test_memory_is_given_back_where_a_gpu_is_used(asked: list[str]) -> None:
    class Holder:
        pass

    one, other = Holder(), Holder()
    one.other, other.other = other, one  # type: ignore[attr-defined]
    gone = weakref.ref(one)
    gc.disable()
    try:
        del one, other
        give_back(CPU)
        assert (gone() is None, asked) == (True, [])
        give_back(GPU)
        assert asked == ["empty_cache"]
    finally:
        gc.enable()
