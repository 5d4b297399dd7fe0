"""Time one training step, forward and backward, against the published algorithm done plainly.

``python benchmarks/step.py`` measures ViT-B/16 (exact and acc) and Swin-B in float32 and bfloat16
at batches of 1, 8 and 32, each case in a process of its own on the same inputs, without dropout so
that the losses can be compared. ``--profile`` tells instead where the time of our step goes.
"""

from __future__ import annotations

import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, TypeVar

import timm
import torch
from cyclopts import Parameter
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from sa2vp.cli.commands import run_script
from sa2vp.models import create_sa2vp, plain
from sa2vp.models.objective import sa2vp_loss
from sa2vp.models.streams import TwoStreams
from sa2vp.printing import Console
from sa2vp.training.allocator import keep_freed_memory

Result = TypeVar("Result")

ARCHITECTURES = {
    "vit-exact": "vit_base_patch16_224",
    "vit-acc": "vit_base_patch16_224",
    "swin-exact": "swin_base_patch4_window7_224",
}
MATH = SDPBackend.MATH  # plain products, which PyTorch can count
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
GROUPS = {
    "matrix products": r"addmm|::mm|bmm|convolution|linear",
    "attention kernel": r"scaled_dot_product",
    "softmax": r"softmax",
    "GELU": r"gelu",
    "layer norm": r"layer_norm",
    "copies and reordering": r"copy|cat|index_select|fill|zero|clone|stack",
    "additions and scaling": r"add|mul|sub|div|sum",
}


@dataclass(frozen=True)
class Case:
    """What is measured: a model, a precision, a batch size, ours or the plain path."""

    model: str
    precision: str
    batch: int
    plain: bool


@dataclass(frozen=True)
class Measured:
    """Of one case: the median step, the peak above the loaded model and the loss.

    ``matrix_rate`` is that of :func:`matrix_rate`, in the same process, after steps of ours; 0
    after the plain path's.
    """

    seconds: float
    peak_gib: float
    loss: float
    matrix_rate: float


@dataclass(frozen=True)
class Comparison:
    """A case, the floating-point operations that it needs, and what was measured both ways."""

    case: Case
    operations: float
    ours: Measured
    other: Measured | None


def main(
    models: Annotated[str, Parameter(metavar="A,B")] = ",".join(ARCHITECTURES),
    precisions: Annotated[str, Parameter(metavar="A,B")] = ",".join(PRECISIONS),
    batches: Annotated[str, Parameter(metavar="N,N")] = "1,8,32",
    repeats: Annotated[int, Parameter(help="Timed steps of ours, after one untimed.")] = 3,
    plain_repeats: Annotated[int, Parameter(help="Of the plain path; 0 leaves it out.")] = 1,
    profile: Annotated[bool, Parameter(help="Tell where the time goes.", negative=())] = False,
) -> None:
    """Print a row per case."""
    console = Console(width=130)
    chosen = [(m, p) for m in models.split(",") for p in precisions.split(",")]
    if profile:
        for model, precision in chosen:
            in_new_process(print_profile, model, precision, int(batches.split(",")[-1]))
        return
    cases = [(m, p, int(batch)) for m, p in chosen for batch in batches.split(",")]
    rows = [
        compare(*case, repeats, plain_repeats)
        for case in track(cases, "Half a minute to four minutes a case", console=console)
    ]
    rates = {
        precision: max(row.ours.matrix_rate for row in rows if row.case.precision == precision)
        for precision in precisions.split(",")
    }
    for precision, rate in rates.items():
        console.print(f"{precision}: matrix products at {rate / 1e9:.0f} GFLOP/s")
    console.print(as_table(rows, rates))


def compare(model: str, precision: str, batch: int, repeats: int, plain_repeats: int) -> Comparison:
    """Measure one case both ways."""
    case = Case(model, precision, batch, plain=False)
    operations = in_new_process(count_operations, model, batch)
    ours = in_new_process(measure, case, repeats)
    if not plain_repeats:
        return Comparison(case, operations, ours, None)
    return Comparison(
        case, operations, ours, in_new_process(measure, replace(case, plain=True), plain_repeats)
    )


def as_table(rows: Sequence[Comparison], rates: Mapping[str, float]) -> Table:
    """Lay the comparisons out; ``rates`` of matrix products by precision."""
    table = Table(
        "model", "precision", "batch", "ours ms", "plain ms", "plain / ours", "ours GiB",
        "plain GiB", "GFLOP/s", "of the rate", "loss differs by",
    )  # fmt: skip
    for row in rows:
        ours, other = row.ours, row.other
        achieved = row.operations / ours.seconds
        table.add_row(
            row.case.model,
            row.case.precision,
            str(row.case.batch),
            f"{1000 * ours.seconds:.0f}",
            "" if other is None else f"{1000 * other.seconds:.0f}",
            "" if other is None else f"{other.seconds / ours.seconds:.2f}",
            f"{ours.peak_gib:.2f}",
            "" if other is None else f"{other.peak_gib:.2f}",
            f"{achieved / 1e9:.0f}",
            f"{100 * achieved / rates[row.case.precision]:.0f} %",
            "" if other is None else f"{abs(ours.loss - other.loss) / other.loss:.0e}",
        )
    return table


def make_model(name: str) -> TwoStreams:
    """Make a model of the published size, without randomness while training."""
    architecture, fusion = ARCHITECTURES[name], name.partition("-")[2]
    torch.manual_seed(0)
    backbone = timm.create_model(architecture, num_classes=0)
    drop_path = 0.0 if name.startswith("swin") else None
    return create_sa2vp(backbone, fusion=fusion, dropout=0.0, drop_path=drop_path).train()


def inputs(batch: int) -> tuple[Tensor, Tensor]:
    """Draw the images and classes that every case of this batch size gets."""
    torch.manual_seed(1)
    return torch.randn(batch, 3, 224, 224), torch.arange(batch) % 10


def step(model: TwoStreams, case: Case, images: Tensor, targets: Tensor) -> float:
    """Run forward and backward; give the loss."""
    dtype = PRECISIONS[case.precision]
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        fusion = case.model.partition("-")[2]
        logits = plain.forward(model, images, fusion) if case.plain else model(images)
    loss = sa2vp_loss((logits[0].float(), logits[1].float()), targets)
    model.zero_grad()
    loss.backward()
    return loss.item()


def measure(case: Case, repeats: int) -> Measured:
    """Time steps of one case, after one that is not timed; ours as in a trial's process."""
    if not case.plain:
        keep_freed_memory()
    model = make_model(case.model)
    images, targets = inputs(case.batch)
    loaded = resident_gib("VmRSS")
    loss = step(model, case, images, targets)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step(model, case, images, targets)
        times.append(time.perf_counter() - start)
    peak = resident_gib("VmHWM") - loaded
    rate = 0.0 if case.plain else matrix_rate(PRECISIONS[case.precision])
    return Measured(statistics.median(times), peak, loss, rate)


def count_operations(name: str, batch: int) -> float:
    """Count the floating-point operations that a step needs.

    Matrix products of our step, forward and backward, as PyTorch counts them; of the fusion's
    attention only the share that falls on the 9 neighbours (its backward pass has twice the
    products of its forward pass).
    """
    model = make_model(name)
    counts: list[float] = []
    for images_counted in (1, 2):
        images, targets = inputs(images_counted)
        with FlopCounterMode(display=False) as whole, sdpa_kernel(MATH):
            step(model, Case(name, "float32", images_counted, plain=False), images, targets)
        with FlopCounterMode(display=False) as forward, sdpa_kernel(MATH):
            model(images)
        fusion = sum(forward.get_flop_counts()[f"{type(model).__name__}.attention"].values())
        unneeded = 3 * fusion * (1 - 9 / model.attention.mask.shape[1])
        counts.append(whole.get_total_flops() - unneeded)
    return counts[0] + (batch - 1) * (counts[1] - counts[0])


def matrix_rate(dtype: torch.dtype) -> float:
    """Measure the fastest matrix product, in operations per second.

    Three shapes, each for 4 seconds: a product of 20 milliseconds needs many tries to meet the
    machine at its best.
    """
    rates = []
    for rows, inner, columns in ((3152, 768, 3072), (3152, 3072, 768), (4096, 4096, 4096)):
        a, b = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
        out = torch.empty(rows, columns, dtype=dtype)
        end = time.perf_counter() + 4
        while (start := time.perf_counter()) < end:
            torch.mm(a, b.t(), out=out)
            rates.append(2 * rows * inner * columns / (time.perf_counter() - start))
    return max(rates)


def print_profile(name: str, precision: str, batch: int) -> None:
    """Print the shares of one step's time by kind of operation."""
    keep_freed_memory()
    model, case = make_model(name), Case(name, precision, batch, plain=False)
    images, targets = inputs(batch)
    for _ in range(2):
        step(model, case, images, targets)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step(model, case, images, targets)
    times: dict[str, float] = dict.fromkeys([*GROUPS, "other"], 0.0)
    for event in profiler.key_averages():
        group = next((g for g, names in GROUPS.items() if re.search(names, event.key)), "other")
        times[group] += event.self_cpu_time_total / 1e3
    table = Table("part", "ms", "share", title=f"{name}, {precision}, batch {batch}")
    for part, milliseconds in times.items():
        table.add_row(
            part, f"{milliseconds:.0f}", f"{100 * milliseconds / sum(times.values()):.1f} %"
        )
    Console().print(table)


def resident_gib(field: str) -> float:
    """Read the process's resident memory, now (VmRSS) or at its peak (VmHWM)."""
    found = re.search(
        rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE
    )
    return int(found[1]) / 2**20 if found else float("nan")


def in_new_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in a process of its own, so that no case inherits another's memory."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, arguments))
    process.start()
    sender.close()
    result: Result = receiver.recv()
    process.join()
    return result


def _send(sender: Connection, function: Callable[..., object], arguments: tuple[object]) -> None:
    sender.send(function(*arguments))


if __name__ == "__main__":
    run_script(main)
