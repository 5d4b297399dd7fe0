"""A model that runs out of memory above a number of images, as on a GPU that is too small."""

from __future__ import annotations

import torch
from torch import Tensor

from sa2vp.models.learned import LearnedArrays

GPU_ERROR = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class SmallMemory(LearnedArrays):
    """Fits a number of images while training, and another one in evaluation."""

    def __init__(
        self, model: LearnedArrays, training: int, evaluation: int, error: Exception
    ) -> None:
        super().__init__()
        self.model = model
        self.fits = {True: training, False: evaluation}
        self.seen: list[int] = []
        self._error = error

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        torch.rand(1)  # as dropout does, so that a generator that is not put back shows
        if len(images) > self.fits[self.training]:
            raise self._error
        if self.training:
            self.seen.append(len(images))
        image_logits, prompt_logits = self.model(images)
        return image_logits, prompt_logits

    def trainable_state_dict(self) -> dict[str, Tensor]:
        return self.model.trainable_state_dict()
