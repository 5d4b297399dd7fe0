"""What happens on a GPU when its memory runs out, provoked for real."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from sa2vp.doctor.models import MODELS, batch
from sa2vp.doctor.process import in_new_processes
from sa2vp.doctor.report import Line, judged
from sa2vp.doctor.small_run import make_run
from sa2vp.training.memory import give_back
from sa2vp.training.micro_batch import MicroBatch
from sa2vp.training.precision import MixedPrecision

CHECK = "memory"
GPU = torch.device("cuda")
BATCH, FENCE_GIB, TRIALS = 128, 3, 10


def exhaust_memory() -> Iterator[Line]:
    """Run out of memory, share a GPU, and look at what runs leave behind."""
    (size,) = in_new_processes(halve_a_batch, [()])
    yield judged(
        CHECK, f"a step of {BATCH} images in {FENCE_GIB} GiB", f"{size} images at once",
        good=0 < size < BATCH,
    )  # fmt: skip
    one, other = in_new_processes(train_beside_another, [(), ()])
    yield judged(
        CHECK, "two processes on one GPU", f"losses {one:.6f} and {other:.6f}", good=one == other
    )
    (first, last) = in_new_processes(train_again_and_again, [()])[0]
    yield judged(
        CHECK, f"allocated after the first and after {TRIALS} trials",
        f"{first / 2**20:.1f} and {last / 2**20:.1f} MiB", good=last <= first,
    )  # fmt: skip


def halve_a_batch() -> int:
    """Take a step that does not fit; give how many images at once did."""
    whole = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, FENCE_GIB * 2**30 / whole), GPU)
    published = MODELS[0]
    precision = MixedPrecision("float32", GPU)
    model = published.make(GPU, dropout=0.1)
    images, targets = batch(BATCH, torch.device("cpu"))
    parts = MicroBatch(BATCH, "the doctor's step", GPU)

    def step(size: int) -> None:
        model.zero_grad()
        for some, classes in zip(images.split(size), targets.split(size), strict=True):
            loss = published.loss(model, some.to(GPU), classes.to(GPU), precision)
            precision.backward(loss * (len(some) / BATCH))

    parts.fit(step)
    return parts.size


def train_beside_another() -> float:
    """Train in half of the GPU; give the last loss."""
    torch.cuda.set_per_process_memory_fraction(0.4, GPU)
    return [metrics.train_loss for metrics in make_run(GPU)][-1]


def train_again_and_again() -> tuple[int, int]:
    """Give the bytes that are allocated after the first of some trials, and after the last."""
    left = []
    for _ in range(TRIALS):
        run = make_run(GPU, epochs=1)
        run.run_epoch()
        del run
        give_back(GPU)
        left.append(torch.cuda.memory_allocated(GPU))
    return left[0], left[-1]
