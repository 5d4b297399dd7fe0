"""One run on several workers, as torch.distributed lets them talk here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist

from sa2vp.doctor.process import in_new_processes
from sa2vp.doctor.report import Line, judged
from sa2vp.doctor.small_run import make_run

CHECK = "workers"
CLOSE = 1e-4
"""How far the loss of two workers may be from that of one, relative: they add in another order."""


def share_a_run(device: torch.device) -> Iterator[Line]:
    """Train a run on two workers over gloo; on GPUs let one worker each talk over NCCL."""
    alone = make_run(torch.device("cpu")).run_epoch().train_loss
    together = _in_group("gloo", 2, "cpu")
    apart = max(abs(loss - alone) / alone for loss in together)
    yield judged(
        CHECK, "two over gloo", f"their loss differs by {apart:.0e} of itself", good=apart <= CLOSE
    )
    if device.type == "cuda":
        count = torch.cuda.device_count()
        losses = _in_group("nccl", count, "cuda")
        yield judged(
            CHECK, f"{count} over NCCL", f"loss {losses[0]:.6f}", good=len(set(losses)) == 1
        )


def _in_group(backend: str, count: int, device: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        given = [(backend, meeting, rank, count, device) for rank in range(count)]
        return in_new_processes(train_in_a_group, given)


def train_in_a_group(backend: str, meeting: str, rank: int, count: int, device: str) -> float:
    """Train an epoch as one of several workers; give its loss, added up over all of them once."""
    place = torch.device(device, rank) if device == "cuda" else torch.device(device)
    if device == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group(backend, init_method=meeting, rank=rank, world_size=count)
    try:
        loss = make_run(place).run_epoch().train_loss
        added = torch.tensor([loss], device=place)
        dist.all_reduce(added)
        return added.item() / count
    finally:
        dist.destroy_process_group()
