"""One run divided among several workers, on torch.distributed.

Each worker takes its share of every batch, and the gradients of the learned arrays are added up
once a step. DistributedDataParallel would start that exchange during the backward pass; then a
worker that runs out of memory in it, and has to start its share over, leaves the others waiting in
an exchange that never completes. Here nothing is exchanged before a worker's whole share is done,
so each finds the size of its parts on its own. The learned arrays are a few megabytes: there is
little to hide behind the backward pass.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from sa2vp.training.generators import seed_everything


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of a run, seen from one of them.

    All of them call the same methods in the same order. One that is alone changes nothing.

    Attributes:
        device: that this worker computes on; the process group's backend must reach it.
        rank: of this worker, from 0.
        count: how many there are.
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @classmethod
    def of_this_process(cls, device: torch.device) -> Workers:
        """Give the members of torch.distributed's process group; without one, this process."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls(device)
        return cls(device, dist.get_rank(), dist.get_world_size())

    def share(self, indices: Tensor) -> Tensor:
        """Select this worker's part of ``(N,)`` indices; parts differ by one in length at most."""
        return indices.tensor_split(self.count)[self.rank]

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Give each worker random numbers of its own, the same whenever the epoch is trained."""
        if self.count > 1:
            seed_everything(zlib.crc32(f"{seed}/{self.rank}/{epoch}".encode()))

    @torch.no_grad()
    def start_alike(self, parameters: Iterable[Tensor]) -> None:
        """Copy the first worker's values to all."""
        if self.count > 1:
            for parameter in parameters:
                dist.broadcast(parameter, src=0)

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over the workers; parameters without one have none."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        summed = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(summed)
        parts = summed.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def add_up(self, numbers: Sequence[float]) -> list[float]:
        """Add each number up over the workers."""
        return self._reduce(numbers, dist.ReduceOp.SUM)

    def largest(self, number: float) -> float:
        """Give the largest of the workers' numbers."""
        return self._reduce([number], dist.ReduceOp.MAX)[0]

    def smallest(self, number: int) -> int:
        """Give the smallest of the workers' numbers."""
        return int(self._reduce([number], dist.ReduceOp.MIN)[0])

    def _reduce(self, numbers: Sequence[float], operation: dist.ReduceOp.RedOpType) -> list[float]:
        if self.count == 1:
            return list(numbers)
        reduced = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(reduced, operation)
        return reduced.tolist()
