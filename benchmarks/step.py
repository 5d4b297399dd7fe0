"""Time one training step, forward and backward: SA2VP against its plain algorithm, and methods.

``python benchmarks/step.py`` measures SA2VP on ViT-B/16 (exact and acc) and Swin-B, then every
other method on ViT-B/16, in float32 and bfloat16 at batches of 1, 8 and 32, each case in a process
of its own on the same inputs, without dropout so that the losses can be compared. ``--models lora
--backbone demo`` takes one method on a small backbone. ``--profile`` tells instead where the time
of our step goes.
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
from sa2vp.methods import METHODS, Method
from sa2vp.models import create_sa2vp, load_backbone, plain
from sa2vp.models.learned import LearnedArrays
from sa2vp.models.objective import sa2vp_loss
from sa2vp.models.streams import TwoStreams
from sa2vp.printing import Console
from sa2vp.results.names import PLAIN_METHOD
from sa2vp.training.allocator import keep_freed_memory

Result = TypeVar("Result")

ARCHITECTURES = {
    "vit-exact": "vit_base_patch16_224",
    "vit-acc": "vit_base_patch16_224",
    "swin-exact": "swin_base_patch4_window7_224",
}
OTHERS = [name for name in METHODS if name != PLAIN_METHOD]
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
    """What is measured: a model, a precision, a batch size, ours or the plain path.

    ``model`` is SA2VP's on one of the published architectures, or another method's name;
    ``backbone``, a name of timm's or ``demo``, is the latter's.
    """

    model: str
    backbone: str
    precision: str
    batch: int
    plain: bool = False


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
    models: Annotated[str, Parameter(metavar="A,B")] = ",".join([*ARCHITECTURES, *OTHERS]),
    backbone: Annotated[
        str, Parameter(help="Of other methods than SA2VP: a ViT or Swin of timm's, or demo.")
    ] = "vit_base_patch16_224",
    precisions: Annotated[str, Parameter(metavar="A,B")] = ",".join(PRECISIONS),
    batches: Annotated[str, Parameter(metavar="N,N")] = "1,8,32",
    repeats: Annotated[int, Parameter(help="Timed steps of ours, after one untimed.")] = 3,
    plain_repeats: Annotated[int, Parameter(help="Of the plain path; 0 leaves it out.")] = 1,
    profile: Annotated[bool, Parameter(help="Tell where the time goes.", negative=())] = False,
) -> None:
    """Print a row per case."""
    console = Console(width=130)
    cases = [
        Case(model, backbone, precision, int(batch))
        for model in models.split(",")
        for precision in precisions.split(",")
        for batch in batches.split(",")[-1 if profile else 0 :]
    ]
    if profile:
        for case in cases:
            in_new_process(print_profile, case)
        return
    rows = [
        compare(case, repeats, plain_repeats)
        for case in track(cases, "Half a minute to four minutes a case", console=console)
    ]
    rates = {
        precision: max(row.ours.matrix_rate for row in rows if row.case.precision == precision)
        for precision in precisions.split(",")
    }
    for precision, rate in rates.items():
        console.print(f"{precision}: matrix products at {rate / 1e9:.0f} GFLOP/s")
    console.print(as_table(rows, rates))


def compare(case: Case, repeats: int, plain_repeats: int) -> Comparison:
    """Measure one case, SA2VP both ways."""
    operations = in_new_process(count_operations, case)
    ours = in_new_process(measure, case, repeats)
    if not plain_repeats or case.model not in ARCHITECTURES:
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


def make_model(case: Case) -> LearnedArrays:
    """Make a model that draws nothing, of a published size or on the backbone asked for."""
    torch.manual_seed(0)
    if case.model not in ARCHITECTURES:
        method = method_of(case)
        loaded = (
            load_backbone("demo")
            if case.backbone == "demo"
            else timm.create_model(case.backbone, num_classes=0)
        )
        return method.build(loaded, num_classes=10).eval()
    name = case.model
    architecture, fusion = ARCHITECTURES[name], name.partition("-")[2]
    backbone = timm.create_model(architecture, num_classes=0)
    drop_path = 0.0 if name.startswith("swin") else None
    return create_sa2vp(backbone, fusion=fusion, dropout=0.0, drop_path=drop_path).train()


def method_of(case: Case) -> Method:
    """Give a method as a search of VTAB-1k begins with it."""
    method = METHODS[case.model]
    first = method.default_space("vtab-1k", "svhn", "vit-b16").initial[0]
    own = {name: value for name, value in first.items() if name in method.model_fields}
    return method.of(own)


def inputs(case: Case) -> tuple[Tensor, Tensor]:
    """Draw the images and classes that every case of this batch size gets."""
    torch.manual_seed(1)
    size = 32 if case.backbone == "demo" and case.model not in ARCHITECTURES else 224
    return torch.randn(case.batch, 3, size, size), torch.arange(case.batch) % 10


def step(model: LearnedArrays, case: Case, images: Tensor, targets: Tensor) -> float:
    """Run forward and backward; give the loss."""
    loss = loss_of(model, case, images, targets)
    model.zero_grad()
    loss.backward()
    return loss.item()


def loss_of(model: LearnedArrays, case: Case, images: Tensor, targets: Tensor) -> Tensor:
    """Run forward; give the loss."""
    dtype = PRECISIONS[case.precision]
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        if not isinstance(model, TwoStreams):
            return method_of(case).loss(model(images), targets)
        fusion = case.model.partition("-")[2]
        logits = plain.forward(model, images, fusion) if case.plain else model(images)
    return sa2vp_loss((logits[0].float(), logits[1].float()), targets)


def measure(case: Case, repeats: int) -> Measured:
    """Time steps of one case, after one that is not timed; ours as in a trial's process."""
    if not case.plain:
        keep_freed_memory()
    model = make_model(case)
    images, targets = inputs(case)
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


def count_operations(case: Case) -> float:
    """Count the floating-point operations that a step needs.

    Matrix products of our step, forward and backward, as PyTorch counts them; of the fusion's
    attention only the share that falls on the 9 neighbours (its backward pass has twice the
    products of its forward pass).
    """
    model = make_model(case)
    counts: list[float] = []
    for images_counted in (1, 2):
        one = replace(case, precision="float32", batch=images_counted)
        images, targets = inputs(one)
        with FlopCounterMode(display=False) as whole, sdpa_kernel(MATH):
            step(model, one, images, targets)
        counts.append(whole.get_total_flops() - unneeded_operations(model, images))
    return counts[0] + (case.batch - 1) * (counts[1] - counts[0])


def unneeded_operations(model: LearnedArrays, images: Tensor) -> float:
    """Count what SA2VP's fusions compute beyond the 9 neighbours."""
    if not isinstance(model, TwoStreams):
        return 0.0
    with FlopCounterMode(display=False) as forward, sdpa_kernel(MATH):
        model(images)
    fusion = sum(forward.get_flop_counts()[f"{type(model).__name__}.attention"].values())
    return float(3 * fusion * (1 - 9 / model.attention.mask.shape[1]))


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


def print_profile(case: Case) -> None:
    """Print the shares of one step's time by kind of operation."""
    keep_freed_memory()
    model = make_model(case)
    images, targets = inputs(case)
    for _ in range(2):
        step(model, case, images, targets)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step(model, case, images, targets)
    times: dict[str, float] = dict.fromkeys([*GROUPS, "other"], 0.0)
    for event in profiler.key_averages():
        group = next((g for g, names in GROUPS.items() if re.search(names, event.key)), "other")
        times[group] += event.self_cpu_time_total / 1e3
    table = Table(
        "part", "ms", "share", title=f"{case.model}, {case.precision}, batch {case.batch}"
    )
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
