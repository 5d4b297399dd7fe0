"""What a run trains on and is evaluated with: inputs, loaded batch by batch, and their classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Examples(Protocol):
    """N examples, wherever their inputs lie."""

    @property
    def targets(self) -> Tensor:
        """Give the classes, int64 ``(N,)``."""

    @property
    def augmented(self) -> bool:
        """Tell whether ``load`` takes random draws: a crop, say, differs in every epoch."""

    def __len__(self) -> int:
        """Count the examples."""

    def load(
        self, batches: Sequence[Tensor], draws: Sequence[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Load batches of inputs, ``(B, ...)`` each, as they are stored.

        Args:
            batches: indices, ``(B,)`` each.
            draws: where augmented, for each batch numbers from 0 to 1, ``(B, 3)``: the place of
                the crop from the top, from the left, and whether it is flipped (below 0.5), which
                is left to the run. Without them inputs are as in evaluation.
        """


@dataclass(frozen=True, slots=True)
class TensorExamples:
    """Inputs ``(N, ...)`` in memory, and their classes."""

    inputs: Tensor
    targets: Tensor
    augmented: bool = False

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.targets)

    def load(
        self,
        batches: Sequence[Tensor],
        draws: Sequence[Tensor] | None = None,  # noqa: ARG002 - nothing is drawn
    ) -> Iterator[Tensor]:
        """Select each batch's inputs."""
        return (self.inputs[batch] for batch in batches)
