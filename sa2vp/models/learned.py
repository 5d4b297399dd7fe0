"""The one rule that tells learned arrays from frozen ones, and their exchange as a state dict."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

HEAD_PREFIX = "head."


class LearnedArrays(nn.Module):
    """A module whose learned arrays are exactly the parameters that require a gradient."""

    def trainable_state_dict(self) -> dict[str, Tensor]:
        """Name every learned array, the head included; the backbone is never among them."""
        return {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def load_trainable_state_dict(self, arrays: Mapping[str, Tensor]) -> None:
        """Copy learned arrays in, all or none.

        Raises:
            ValueError: an array is missing, unknown or of another shape; the message names it.
        """
        own = self.trainable_state_dict()
        if missing := sorted(own.keys() - arrays.keys()):
            raise ValueError(f"missing learned arrays: {', '.join(missing)}")
        if unknown := sorted(arrays.keys() - own.keys()):
            raise ValueError(f"unknown learned arrays: {', '.join(unknown)}")
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise ValueError(
                    f"{name} has shape {tuple(array.shape)}, expected {tuple(own[name].shape)}"
                )
        for name, array in arrays.items():
            own[name].copy_(array)

    def count_learned(self) -> int:
        """Count the learned parameters without the classification head, as the paper does."""
        return sum(
            array.numel()
            for name, array in self.trainable_state_dict().items()
            if not name.startswith(HEAD_PREFIX)
        )
