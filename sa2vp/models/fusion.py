"""The learned half of the fusion: what adapts one stream after it attended to the other."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sa2vp.models.fast.dropout import Dropout
from sa2vp.models.initialisation import InitLinear


class Fusion(nn.Module):
    """A bottleneck over the attended query stream: ``up(GELU(down(LN(attention + queries))))``.

    While training, dropout follows the attention, the GELU and ``up``. The attention itself uses
    the block's frozen projections and belongs to :class:`~sa2vp.models.fast.block.FrozenBlock`.

    Args:
        dim: channels D of the backbone's tokens.
        inter_dim: channels of the bottleneck.
        dropout: rate of each of the three dropouts.
        init_linear: gives ``down`` and ``up`` their initial values.
    """

    def __init__(self, dim: int, inter_dim: int, dropout: float, init_linear: InitLinear) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.down = nn.Linear(dim, inter_dim)
        self.up = nn.Linear(inter_dim, dim)
        self.dropout = Dropout(dropout)
        for linear in (self.down, self.up):
            init_linear(linear)

    def forward(self, attention_BND: Tensor, queries_BND: Tensor) -> Tensor:
        """Turn ``(B, N, D)`` attention output and query tokens into ``(B, N, D)`` to be added."""
        summed_BND = self.dropout(attention_BND) + queries_BND
        # Normalised again for the gradient of ``down``, rather than kept until then. No dropout may
        # be drawn in there: the second time it would be another one.
        narrow = checkpoint(self._narrow, summed_BND, use_reentrant=False, preserve_rng_state=False)
        return self.dropout(self.up(self.dropout(F.gelu(narrow))))  # type: ignore[no-any-return]

    def _narrow(self, summed_BND: Tensor) -> Tensor:
        return self.down(self.norm(summed_BND))  # type: ignore[no-any-return]
