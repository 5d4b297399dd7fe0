"""Time the project's CPU dropout against PyTorch's, forward and backward, on one thread.

``python benchmarks/cpu_dropout.py`` alternates the two on one demo step's largest activation and
prints the ratio of their medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sa2vp.models.fast.dropout import dropout

SHAPE = (2 * 40, 65, 384)  # both streams of a batch of 40, tokens, channels inside the MLP
REPEATS = 41
RATE = 0.1


def main() -> None:
    """Print both medians and their ratio."""
    torch.set_num_threads(1)
    x = torch.randn(SHAPE, requires_grad=True)
    gradient = torch.ones(SHAPE)
    times: dict[str, list[float]] = {"PyTorch": [], "sa2vp": []}
    for _ in range(REPEATS):
        times["PyTorch"].append(seconds(F.dropout, x, gradient))
        times["sa2vp"].append(seconds(dropout, x, gradient))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name}: {1000 * median:.2f} ms")
    print(f"PyTorch / sa2vp: {medians['PyTorch'] / medians['sa2vp']:.1f}")


def seconds(
    function: Callable[[Tensor, float, bool], Tensor], x: Tensor, gradient: Tensor
) -> float:
    """Time one pass forward and backward."""
    x.grad = None
    start = time.perf_counter()
    function(x, RATE, True).backward(gradient)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
