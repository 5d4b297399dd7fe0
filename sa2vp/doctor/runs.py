"""Whether runs reach the same on every device, and whether they stop and go on bit for bit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from sa2vp.doctor.process import in_new_processes
from sa2vp.doctor.report import Line, judged
from sa2vp.doctor.small_run import make_run
from sa2vp.training.precision import choose_precision

CHECK = "runs"
DISTANCE = 1e-3
"""How far the losses of an epoch may be apart on two devices in float32, relative."""


def compare_devices(device: torch.device) -> Iterator[Line]:
    """Train the same run on the CPU and on the device."""
    here = [metrics.train_loss for metrics in make_run(torch.device("cpu"))]
    there = [metrics.train_loss for metrics in make_run(device)]
    apart = max(abs(a - b) / a for a, b in zip(here, there, strict=True))
    yield judged(
        CHECK, "curves of the CPU and of the GPU", f"losses differ by {apart:.0e} of themselves",
        good=apart <= DISTANCE,
    )  # fmt: skip


def compare_restored(device: torch.device) -> Iterator[Line]:
    """Stop and go on, with dropout, in the precision that trials would have."""
    (whole, parts) = in_new_processes(train_whole_and_in_parts, [(device.type,)])[0]
    yield judged(
        CHECK, "stopped and restored", "bit for bit" if whole == parts else f"{whole} and {parts}",
        good=whole == parts,
    )  # fmt: skip


def train_whole_and_in_parts(device_type: str) -> tuple[list[float], list[float]]:
    """Give the losses of a run, and of one that stopped after its first epoch."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # which deterministic products need
    torch.use_deterministic_algorithms(True)
    device = torch.device(device_type)
    precision = choose_precision("auto", device)
    whole = [metrics.train_loss for metrics in make_run(device, 0.1, precision)]
    with tempfile.TemporaryDirectory() as folder:
        first = make_run(device, 0.1, precision)
        parts = [first.run_epoch().train_loss]
        first.save(Path(folder))
        second = make_run(device, 0.1, precision)
        second.restore(Path(folder))
        parts += [metrics.train_loss for metrics in second]
    return whole, parts
