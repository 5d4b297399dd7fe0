"""How fast this device trains and evaluates, and how far that is from what it could do."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from sa2vp.data.images.normalise import Normalise
from sa2vp.doctor.models import MODELS, Published, batch
from sa2vp.doctor.report import Line
from sa2vp.models.streams import TwoStreams
from sa2vp.training.configuration import PRECISIONS
from sa2vp.training.memory import give_back
from sa2vp.training.micro_batch import is_out_of_memory
from sa2vp.training.precision import MixedPrecision, choose_precision

CHECK = "speed"
SECONDS = 1.0
"""What is timed is repeated for so long, at least three times."""

GROUPS = {
    "matrix products": r"addmm|::mm|bmm|convolution|linear",
    "attention kernel, softmax": r"scaled_dot_product|softmax|attention",
    "dropout": r"dropout",
    "GELU": r"gelu",
    "layer norm": r"layer_norm",
    "copies and reordering": r"copy|cat|index_select|fill|zero|clone|stack",
    "additions and scaling": r"add|mul|sub|div|sum",
}


def seconds_of(work: Callable[[], object], device: torch.device, limit: float = SECONDS) -> float:
    """Give the median time of work, after once that is not timed."""

    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    work()
    finish()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < limit and len(times) < 50):
        start = time.perf_counter()
        work()
        finish()
        times.append(time.perf_counter() - start)
        if sum(times) > 5 * limit:  # a slow machine
            break
    return statistics.median(times)


def matrix_rate(name: str, device: torch.device) -> float:
    """Measure the device's fastest matrix product in a precision, in operations per second."""
    MixedPrecision(name, device)  # which sets what is rounded
    dtype = getattr(torch, "float32" if name == "tf32" else name)
    side = 8192 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device, dtype=dtype)
    return float(2 * side**3 / seconds_of(lambda: a @ a, device))


def bandwidth(device: torch.device) -> float:
    """Measure how fast the device copies its own memory, in bytes read and written per second."""
    count = 2**28 if device.type == "cuda" else 2**24
    source, target = (torch.empty(count, device=device) for _ in range(2))
    return 2 * source.nbytes / seconds_of(lambda: target.copy_(source), device)


def operations_of(published: Published) -> float:
    """Count the arithmetic of a training step for one more image, without running it on a GPU.

    Of the fusion's attention all 197 keys are counted, as they are computed.
    """
    device = torch.device("cpu")
    counts = []
    for images in (1, 2):
        model, (inputs, targets) = published.make(device), batch(images, device)
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            published.loss(model, inputs, targets, MixedPrecision("float32", device)).backward()
        counts.append(counter.get_total_flops())
    return float(counts[1] - counts[0])


def time_steps(
    device: torch.device, batches: Sequence[int], plain_batches: Sequence[int]
) -> Iterator[Line]:
    """Time the training step of every model, in every precision, beside the plain algorithm's."""
    names = [name for name in PRECISIONS[1:] if _has(name, device)]
    rates = {name: matrix_rate(name, device) for name in names}
    for name, rate in rates.items():
        yield Line(CHECK, f"matrix products, {name}", f"{rate / 1e12:.2f} TFLOP/s")
    yield Line(CHECK, "bandwidth", f"{bandwidth(device) / 1e9:.0f} GB/s")
    for published in MODELS:
        operations, model = operations_of(published), published.make(device, dropout=0.1)
        for name in names:
            for images in batches:
                with_plain = images in plain_batches
                yield _step(
                    Step(published, model, name, images), device, operations / rates[name],
                    with_plain=with_plain,
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A training step that is timed, of a model, in a precision, with so many images."""

    published: Published
    model: TwoStreams
    precision: str
    images: int


def _step(step: Step, device: torch.device, least_seconds: float, *, with_plain: bool) -> Line:
    """Time a step; ``least_seconds`` are what its matrix products take at best, for an image."""
    what = f"{step.published.name}, {step.precision}, batch {step.images}"
    ours = _timed(step, device, plain=False)
    if ours is None:
        return Line(CHECK, what, "does not fit the memory", "skipped")
    seconds, memory = ours
    found = f"{1000 * seconds:.1f} ms, {step.images / seconds:,.0f} images/s{memory}"
    found += f", {100 * step.images * least_seconds / seconds:.0f} % of the matrix rate"
    if with_plain:
        plain = _timed(step, device, plain=True)
        found += (
            ", the plain algorithm does not fit the memory"
            if plain is None
            else f", {plain[0] / seconds:.1f} times as fast as the plain algorithm"
        )
    return Line(CHECK, what, found)


def _timed(step: Step, device: torch.device, *, plain: bool) -> tuple[float, str] | None:
    """Give the seconds of a step, and its memory in words; None where it does not fit."""
    give_back(device)
    try:
        return _time(step, device, plain=plain)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return None


def _time(step: Step, device: torch.device, *, plain: bool) -> tuple[float, str]:
    precision = MixedPrecision(step.precision, device)
    inputs, targets = batch(step.images, device)

    def work() -> None:
        step.model.zero_grad()
        loss = step.published.loss(step.model, inputs, targets, precision, plain=plain)
        precision.backward(loss)

    if device.type != "cuda":
        return seconds_of(work, device), ""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    seconds = seconds_of(work, device)
    peak = (torch.cuda.max_memory_allocated(device) - before) / 2**30
    return seconds, f", {peak:.2f} GiB above the model"


def _has(name: str, device: torch.device) -> bool:
    try:
        choose_precision(name, device)
    except ValueError:
        return False
    return True


def profile_step(device: torch.device, images: int) -> Iterator[Line]:
    """Tell what a step's time is spent on, in the groups of ``docs/models.md``."""
    name = choose_precision("auto", device)
    for published in MODELS:
        precision, model = MixedPrecision(name, device), published.make(device, dropout=0.1)
        inputs, targets = batch(images, device)
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        for _ in range(2):  # the first is not looked at
            with profile(activities=activities) as profiler:
                precision.backward(published.loss(model, inputs, targets, precision))
        times = dict.fromkeys([*GROUPS, "other"], 0.0)
        for event in profiler.key_averages():
            group = next((g for g, names in GROUPS.items() if re.search(names, event.key)), "other")
            own = (
                event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
            )
            times[group] += own
        whole = sum(times.values()) or 1.0
        shares = ", ".join(f"{group} {100 * one / whole:.0f} %" for group, one in times.items())
        yield Line(CHECK, f"profile of {published.name}, {name}, batch {images}", shares)


def time_input(device: torch.device, images: int) -> Iterator[Line]:
    """Time what becomes of stored images before the model sees them."""
    stored = torch.randint(0, 256, (images, 3, 224, 224), dtype=torch.uint8)
    mirrored = torch.arange(images) % 2 == 0
    prepare = Normalise((224, 224))
    seconds = seconds_of(lambda: prepare(stored.to(device), mirrored.to(device)), device)
    yield Line(
        CHECK, "input: to the device, mirrored, normalised", f"{images / seconds:,.0f} images/s"
    )


def time_evaluation(device: torch.device, images: int) -> Iterator[Line]:
    """Time the forward pass alone: as runs evaluate, and as ``sa2vp predict`` computes."""
    for name in dict.fromkeys([choose_precision("auto", device), "float32"]):
        for published in MODELS[:1]:
            model = published.make(device).eval()
            precision = MixedPrecision(name, device)
            inputs, _ = batch(images, device)
            seconds = seconds_of(lambda: _look(model, precision, inputs), device)  # noqa: B023
            yield Line(
                CHECK, f"evaluation of {published.name}, {name}, batch {images}",
                f"{images / seconds:,.0f} images/s",
            )  # fmt: skip


@torch.inference_mode()
def _look(model: TwoStreams, precision: MixedPrecision, inputs: torch.Tensor) -> None:
    precision.forward(model, inputs)
