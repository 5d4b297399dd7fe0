"""Features of a frozen backbone, computed once for a run that learns nothing below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from sa2vp.data.images.batches import Examples, TensorExamples
from sa2vp.data.run_images import TaskImages
from sa2vp.models.learned import LearnedArrays
from sa2vp.training.precision import MixedPrecision, choose_precision

BATCH = 64

Prepare = Callable[[Tensor, Tensor | None], Tensor]
"""Turns a batch of stored inputs into the model's input, some of them mirrored."""


class FeatureKeeper:
    """Puts features in the place of images that are the same in every epoch.

    Args:
        model: with ``features``, and a ``forward`` that takes them too.
        prepare: of images.
        device: where the model computes.
        precision: as asked for.
    """

    def __init__(
        self, model: LearnedArrays, prepare: Prepare, device: torch.device, precision: str
    ) -> None:
        model.to(device).eval()
        # Every attribute of a module is "Tensor | Module" to mypy.
        self._compute = cast("Callable[[Tensor], Tensor]", model.features)
        self._prepare, self._device = prepare, device
        self._precision = MixedPrecision(choose_precision(precision, device), device)

    def keep(self, images: TaskImages) -> TaskImages:
        """Give a run's images with their features where they come without augmentation."""
        return TaskImages(
            train=self._kept(images.train),
            val=None if images.val is None else self._kept(images.val),
            test=None if images.test is None else self._kept(images.test),
        )

    def prepare(self, inputs: Tensor, mirrored: Tensor | None) -> Tensor:
        """Prepare images, and leave features ``(B, D)`` as they are."""
        return inputs if inputs.ndim == 2 else self._prepare(inputs, mirrored)

    def _kept(self, examples: Examples) -> Examples:
        if examples.augmented:
            return examples
        batches = torch.arange(len(examples)).split(BATCH)
        features = [self._features(inputs) for inputs in examples.load(batches)]
        return TensorExamples(torch.cat(features), examples.targets)

    def _features(self, inputs: Tensor) -> Tensor:
        prepared = self._prepare(inputs.to(self._device), None)
        with torch.no_grad():
            found: Tensor = self._precision.forward(self._compute, prepared)
        return found.float().cpu()
