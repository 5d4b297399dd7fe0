"""The one rule that tells learned arrays from frozen ones, and their exchange as a state dict."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

HEAD_PREFIX = "head."


class LearnedArrays(nn.Module):
    """A module whose learned arrays are exactly the parameters that require a gradient.

    What else training changes, such as the running statistics of a BatchNorm, are its buffers: they
    are kept with the learned arrays, and not counted.
    """

    def trainable_state_dict(self) -> dict[str, Tensor]:
        """Name every array that training changes, the head included, and no frozen one."""
        return {
            name: array.detach()
            for name, array in self.state_dict(keep_vars=True).items()
            if array.requires_grad or not isinstance(array, nn.Parameter)
        }

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
            for name, array in self.named_parameters()
            if array.requires_grad and not name.startswith(HEAD_PREFIX)
        )
