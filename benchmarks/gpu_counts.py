"""Count what a GPU would be asked to do in the forward pass of a step, on tensors without memory.

``python benchmarks/gpu_counts.py`` prints, for each published model in training mode, the kernels
of a forward pass, the bytes that they read and write, and the copies between CPU and GPU that wait.
No GPU is needed: PyTorch traces the pass on fake CUDA tensors. Without a device it refuses to trace
the backward pass, which is not counted. Each operation that computes counts as one kernel, fewer
than there are where a library launches several; views count as none. Bytes are those of its inputs
and outputs, without what an attention kernel keeps to itself. To compare two versions of the
project, run it in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from unittest.mock import patch

import torch
from cyclopts import Parameter
from rich.table import Table
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sa2vp.cli.commands import run_script
from sa2vp.doctor.models import CLASSES, MODELS, Published
from sa2vp.models.objective import sa2vp_loss
from sa2vp.printing import Console

GPU = torch.device("cuda")
NOTHING = ("aten.detach", "aten.empty", "aten.new_empty", "aten.sym_", "prim.")
"""Operations that launch nothing and are no views."""


@dataclass
class Counted:
    """What was dispatched.

    Attributes:
        kernels: how often each operation that computes on the GPU.
        bytes: that they read and write.
        blocking: copies between CPU and GPU, and numbers that are read.
    """

    kernels: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    blocking: int = 0


class Counting(TorchDispatchMode):
    """Counts what is dispatched while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counted = Counted()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Let an operation run, and count it."""
        del types
        out = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
        kinds = {t.device.type for t in tensors}
        name = str(func)
        # A mere number on the CPU goes with the kernel.
        crossing = {"cpu", "cuda"} <= kinds and ("copy" in name or name.startswith("aten.index"))
        if crossing or (kinds == {"cuda"} and "local_scalar" in name):
            self.counted.blocking += 1
        if "cuda" in kinds and not func.is_view and not name.startswith(NOTHING):
            self.counted.kernels[str(func.overloadpacket)] += 1
            self.counted.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return out


def fused_attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Attend by the kernel that takes masks; PyTorch would choose it where it sees a GPU."""
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            bias = q.new_zeros(attn_mask.shape)
            attn_mask = bias.masked_fill_(attn_mask.logical_not(), float("-inf"))
        attn_mask = attn_mask.to(q.dtype).expand(*q.shape[:3], k.shape[2])
    attend = torch.ops.aten._scaled_dot_product_efficient_attention
    mixed: Tensor = attend(q, k, v, attn_mask, compute_log_sumexp=True)[0]
    return mixed


@contextmanager
def believing_in_a_gpu() -> Iterator[None]:
    """Let autocast and a fused attention be asked for without a GPU."""
    with (
        patch("torch.nn.functional.scaled_dot_product_attention", fused_attention),
        patch("torch.cuda.is_available", lambda: True),
        patch("torch.cuda.is_bf16_supported", lambda *_, **__: True),
    ):
        yield


def put_on_gpu(model: nn.Module) -> None:
    """Replace a model's arrays by fake ones."""
    for module in model.modules():
        for name, array in module._parameters.items():
            if array is not None:
                fake = torch.empty(array.shape, dtype=array.dtype, device=GPU)
                module._parameters[name] = nn.Parameter(fake, requires_grad=array.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=GPU)


def count_forward(published: Published, images: int, dtype: torch.dtype) -> Counted:
    """Count a step's forward pass.

    Args:
        published: the model.
        images: of the batch.
        dtype: of autocast; float32 leaves it out.
    """
    model = published.make(torch.device("cpu"), dropout=0.1)
    with FakeTensorMode(), believing_in_a_gpu():
        put_on_gpu(model)
        inputs = torch.empty(images, 3, 224, 224, device=GPU)
        targets = torch.zeros(images, dtype=torch.int64, device=GPU)

        def forward() -> Tensor:
            with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
                return sa2vp_loss(model(inputs), targets)

        forward()  # what is made once is not counted
        counting = Counting()
        with counting:
            forward()
    return counting.counted


def main(
    images: Annotated[int, Parameter(help="Of a batch.")] = 64,
    dtype: Annotated[str, Parameter(help="bfloat16, float16 or float32.")] = "bfloat16",
    most: Annotated[int, Parameter(help="Operations to list.")] = 0,
) -> None:
    """Print what a forward pass of each published model dispatches to a GPU."""
    console = Console(width=120)
    table = Table("model", "kernels", "GB read and written", "blocking copies")
    for published in MODELS:
        counted = count_forward(published, images, getattr(torch, dtype))
        table.add_row(
            published.name, f"{counted.kernels.total():,}", f"{counted.bytes / 1e9:.1f}",
            f"{counted.blocking}",
        )  # fmt: skip
        for operation, count in counted.kernels.most_common(most):
            console.print(f"{published.name}: {count:5} {operation}")
    console.print(f"Batch {images}, {dtype}, {CLASSES} classes, dropout 0.1, fake tensors.")
    console.print(table)


if __name__ == "__main__":
    run_script(main)
