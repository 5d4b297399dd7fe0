"""A frozen transformer block, run so that the fusion can share its queries, keys and values.

SA2VP's fusion attends across the two streams with the block's own norm and projections. Those are
already computed by the block's self-attention, so each block is run once on both streams and hands
its heads out instead of hiding them.

Shapes: B images (or several streams stacked along the batch), N tokens (a class token first), D
channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from sa2vp.models.fast.attention import AlignedAttention, Heads


class FrozenBlock(ABC):
    """One block of the backbone, and the randomness that training adds to it."""

    def __call__(self, tokens_BND: Tensor, streams: Sequence[int]) -> tuple[list[Heads], Tensor]:
        """Run the block.

        Args:
            tokens_BND: of all streams.
            streams: their batch sizes, which add up to B.

        Returns:
            Each stream's heads, and the output ``(B, N, D)``, or ``(B, 1, D)`` where only the
            class token's is read.
        """
        whole, heads = self.project(tokens_BND, streams)
        tokens_BND = self.queried(tokens_BND)
        tokens_BND = _add(self.drop_branch(self.output(self.attend(whole))), tokens_BND)
        return heads, _add(self.drop_branch(self.mlp(tokens_BND)), tokens_BND)

    def fuse(self, query: Heads, key_value: Heads, attention: AlignedAttention) -> Tensor:
        """Attend from one stream to the other with this block's projections, ``(B, N, D)``."""
        return self.output(attention(query, key_value))

    def queried(self, tokens_BND: Tensor) -> Tensor:
        """Keep the tokens whose output is read."""
        return tokens_BND

    def drop_branch(self, branch_BND: Tensor) -> Tensor:
        """Drop a residual branch for some of the images while training."""
        return branch_BND

    @abstractmethod
    def project(self, tokens_BND: Tensor, streams: Sequence[int]) -> tuple[Heads, list[Heads]]:
        """Normalise and project tokens to heads, the queries only where their output is read.

        Returns:
            The heads of the whole batch, and those of each stream.
        """

    @abstractmethod
    def attend(self, heads: Heads) -> Tensor:
        """Attend within each stream, ``(B, N, D)``, before the output projection."""

    @abstractmethod
    def output(self, merged_BND: Tensor) -> Tensor:
        """Project what the heads attended to back to tokens."""

    @abstractmethod
    def mlp(self, tokens_BND: Tensor) -> Tensor:
        """Run the second residual branch, its norm included."""


def _add(branch: Tensor, tokens: Tensor) -> Tensor:
    """Add in the branch's memory, unless autocast made it of another type than the tokens.

    No gradient needs the branch by itself: a frozen Linear's does not depend on its output.
    """
    return branch.add_(tokens) if branch.dtype == tokens.dtype else branch + tokens


def run_stacked(block: FrozenBlock, *streams: Tensor) -> list[tuple[Heads, Tensor]]:
    """Run a block on several streams, reading each frozen weight once for all of them.

    Streams are stacked along the batch where all of them need a gradient, or none. A stream that
    nothing learned precedes goes alone: stacked with others, it would be given a gradient too.

    Args:
        block: the block.
        streams: tokens ``(B, N, D)`` each, batch sizes may differ.

    Returns:
        Each stream's heads and output.
    """
    if len({stream.requires_grad for stream in streams}) > 1:
        return [run for stream in streams for run in run_stacked(block, stream)]
    sizes = [len(stream) for stream in streams]
    heads, out = block(torch.cat(streams), sizes)
    return list(zip(heads, out.split(sizes), strict=True))
