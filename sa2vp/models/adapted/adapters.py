"""Bottlenecks beside timm's modules: what adapters add to the tokens.

Shapes: tokens ``(..., D)`` throughout.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]

SCALED_STD = 0.02
"""Of SSF's initial scales around 1 and shifts around 0."""


def quick_gelu(x: Tensor) -> Tensor:
    """Approximate the GELU by a sigmoid, as NOAH's adapters do."""
    return x * (1.702 * x).sigmoid()


class Bottleneck(nn.Module):
    """``scale * up(dropout(activation(down(tokens))))``, both Linears with bias.

    Args:
        dim: D.
        width: channels in the middle.
        activation: between the Linears.
        dropout: rate in training.
        scale: of the output.
    """

    def __init__(
        self,
        dim: int,
        width: int,
        activation: Activation,
        *,
        dropout: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.down = nn.Linear(dim, width)
        self.up = nn.Linear(width, dim)
        self.dropout = nn.Dropout(dropout)
        self.activation, self.scale = activation, scale

    def forward(self, tokens: Tensor) -> Tensor:
        """Give what is added to tokens."""
        added: Tensor = self.up(self.dropout(self.activation(self.down(tokens))))
        return self.scale * added


class AdaptedOutput(nn.Module):
    """A frozen module, and an adapter that adds to its output.

    Args:
        frozen: gives tokens.
        adapter: reads them.
    """

    def __init__(self, frozen: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.frozen, self.adapter = frozen, adapter

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the adapted tokens."""
        tokens = self.frozen(inputs)
        adapted: Tensor = tokens + self.adapter(tokens)
        return adapted


class AdaptedBranch(nn.Module):
    """A block's norm and MLP, and an adapter beside both, which reads what the norm reads.

    It stands in the place of the MLP; in that of the norm stands nothing.

    Args:
        norm: frozen.
        mlp: frozen.
        adapter: beside them.
    """

    def __init__(self, norm: nn.Module, mlp: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.norm, self.mlp, self.adapter = norm, mlp, adapter

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the branch's output."""
        branch: Tensor = self.mlp(self.norm(tokens)) + self.adapter(tokens)
        return branch


class GroupedBottleneck(nn.Module):
    """RepAdapter's: ``scale * up(dropout(down(tokens)))``, without activation.

    ``up`` is a Linear in groups: each half of the output reads its own half of the middle.

    Args:
        dim: D.
        width: channels in the middle.
        groups: of ``up``.
        dropout: rate in training.
        scale: of the output.
    """

    def __init__(self, dim: int, width: int, *, groups: int, dropout: float, scale: float) -> None:
        super().__init__()
        self.down = nn.Linear(dim, width)
        self.up = nn.Conv1d(width, dim, 1, groups=groups)
        self.dropout = nn.Dropout(dropout)
        self.scale = scale
        nn.init.xavier_uniform_(self.down.weight)
        nn.init.zeros_(self.down.bias)
        for array in self.up.parameters():
            nn.init.zeros_(array)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give what is added to tokens."""
        middle = self.dropout(self.down(tokens)).flatten(0, -2)
        added: Tensor = self.up(middle.unsqueeze(2)).squeeze(2)
        return self.scale * added.view_as(tokens)


class LowRank(nn.Module):
    """A frozen Linear, and a product of two thin matrices that adds to its output.

    Args:
        linear: frozen.
        rank: channels between the matrices.
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        # A Linear's own initial weights are LoRA's of A: Kaiming uniform with a = sqrt(5).
        self.a = nn.Linear(linear.in_features, rank, bias=False)
        self.b = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(self.b.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply both to ``(..., in)``; gives ``(..., out)``."""
        adapted: Tensor = self.linear(inputs) + self.b(self.a(inputs))
        return adapted


class Scaled(nn.Module):
    """A frozen module, and a scale and a shift of each channel of its output.

    Args:
        frozen: a LayerNorm, a Linear, or a convolution, which gives ``(B, D, rows, columns)``.
    """

    def __init__(self, frozen: nn.LayerNorm | nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.frozen = frozen
        shape = (
            (len(frozen.weight), 1, 1) if isinstance(frozen, nn.Conv2d) else (len(frozen.weight),)
        )
        self.scale = nn.Parameter(torch.empty(shape))
        self.shift = nn.Parameter(torch.empty(shape))
        nn.init.normal_(self.scale, mean=1, std=SCALED_STD)
        nn.init.normal_(self.shift, std=SCALED_STD)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the output, scaled and shifted."""
        adapted: Tensor = self.frozen(inputs) * self.scale + self.shift
        return adapted
