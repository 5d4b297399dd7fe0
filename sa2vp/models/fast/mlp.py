"""A frozen MLP that keeps one activation for its backward pass, and little memory meanwhile.

The hidden activations are four times as wide as the tokens. PyTorch's own path holds several arrays
of that size at a time. Here only the first Linear's output stays; everything else is computed for a
few rows at a time, in a buffer that fits a CPU's cache.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import Mlp
from torch import Tensor, nn

from sa2vp.models.fast.dropout import (
    draw_kept,
    fused_dropout,
    fused_dropout_gradient,
    is_fused,
    scale_kept,
)
from sa2vp.models.fast.linear import computed_dtype, frozen_parameters

_ROWS = 1024
"""At ViT-B's width, 12 MB of hidden activations in float32."""


def frozen_mlp(mlp: Mlp, tokens_BND: Tensor, dropout_rate: float) -> Tensor:
    """Apply ``fc2(dropout(act(fc1(tokens))))``.

    Args:
        mlp: frozen, without a norm between its Linears.
        tokens_BND: ``(B, N, D)``.
        dropout_rate: after the activation; 0 in evaluation.

    Returns:
        ``(B, N, D)``.
    """
    dtype = computed_dtype(tokens_BND)
    parameters = (*frozen_parameters(mlp.fc1, dtype), *frozen_parameters(mlp.fc2, dtype))
    out: Tensor = _FrozenMLP.apply(tokens_BND.to(dtype), mlp.act, dropout_rate, *parameters)
    return out


class _FrozenMLP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tokens_BND: Tensor,
        act: nn.Module,
        dropout_rate: float,
        *parameters: Tensor | None,
    ) -> Tensor:
        weight1, bias1, weight2, bias2 = parameters
        assert weight1 is not None  # noqa: S101 - for the type checker
        assert weight2 is not None  # noqa: S101
        x = tokens_BND.flatten(0, 1)
        keep = ctx.needs_input_grad[0]
        chunks = _chunks(x)
        longest = max((rows.stop - rows.start for rows in chunks), default=0)
        hidden = x.new_empty(len(x) if keep else longest, len(weight1))
        fused = is_fused(x.device)
        kept = None if fused else draw_kept((len(x), len(weight1)), dropout_rate, x.device)
        out = x.new_empty(*tokens_BND.shape[:2], len(weight2))
        out_rows = out.view(len(x), -1)
        for rows in chunks:
            part = hidden[rows] if keep else hidden[: rows.stop - rows.start]
            _linear(x[rows], weight1, bias1, part)
            active = act(part)
            if fused:  # all rows are one chunk
                active, kept = fused_dropout(active, dropout_rate)
            else:
                active = scale_kept(active, None if kept is None else kept[rows], dropout_rate)
            _linear(active, weight2, bias2, out_rows[rows])
        ctx.save_for_backward(hidden, kept, weight1, weight2)
        ctx.act, ctx.dropout_rate = act, dropout_rate
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, kept, weight1, weight2 = ctx.saved_tensors
        gradient = gradients[0].flatten(0, 1)
        total = hidden.new_empty(len(hidden), weight1.shape[1])
        for rows in _chunks(hidden):
            part = gradient[rows] @ weight2
            if is_fused(hidden.device):
                part = fused_dropout_gradient(part, kept, ctx.dropout_rate)
            else:
                part = scale_kept(part, None if kept is None else kept[rows], ctx.dropout_rate)
            part = _activation_gradient(ctx.act, hidden[rows], part)
            torch.mm(part, weight1, out=total[rows])
        return total.view(*gradients[0].shape[:2], -1), *[None] * 6


def _chunks(x: Tensor) -> list[slice]:
    """Cut rows into slices; on other devices than CPUs, which have no use for it, into one."""
    size = _ROWS if x.device.type == "cpu" else len(x)
    return [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    if bias is None:
        torch.mm(x, weight.t(), out=out)
    else:
        torch.addmm(bias, x, weight.t(), out=out)


def _activation_gradient(act: nn.Module, inputs: Tensor, gradient: Tensor) -> Tensor:
    if type(act) is nn.GELU:
        return torch.ops.aten.gelu_backward(  # type: ignore[no-any-return]
            gradient, inputs, approximate=act.approximate
        )
    with torch.enable_grad():
        inputs = inputs.detach().requires_grad_()
        (result,) = torch.autograd.grad(act(inputs), inputs, gradient)
    return result
