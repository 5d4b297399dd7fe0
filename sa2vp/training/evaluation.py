"""From stored examples to losses and accuracies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sa2vp.data.examples import Examples
from sa2vp.training.distributed import Workers
from sa2vp.training.micro_batch import MicroBatch
from sa2vp.training.objective import sa2vp_loss
from sa2vp.training.precision import MixedPrecision


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model and what it takes to classify stored examples with it.

    Attributes:
        model: gives two ``(B, C)`` logits per batch.
        prepare: turns a batch of stored inputs into the model's input, some of them mirrored
            where a mask ``(B,)`` tells so.
        device: where the model computes.
        precision: of the forward pass.
    """

    model: nn.Module
    prepare: Callable[[Tensor, Tensor | None], Tensor]
    device: torch.device
    precision: MixedPrecision

    def classify(
        self, inputs: Tensor, targets: Tensor, mirrored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Classify stored inputs ``(B, ...)`` of known classes ``(B,)``.

        Returns:
            The mean loss, a scalar, and ``image_logits`` ``(B, C)``.
        """
        if mirrored is not None:
            mirrored = mirrored.to(self.device, non_blocking=True)
        prepared = self.prepare(inputs.to(self.device, non_blocking=True), mirrored)
        logits = self.precision.forward(self.model, prepared)
        return sa2vp_loss(logits, targets.to(self.device, non_blocking=True)), logits[0]


@torch.inference_mode()
def evaluate(
    classifier: Classifier, examples: Examples, at_once: MicroBatch, workers: Workers
) -> tuple[float, float]:
    """Evaluate a split; every example counts once, whatever the number of workers.

    Returns:
        The mean loss, and the image stream's top-1 accuracy in percent.
    """
    classifier.model.eval()
    share = workers.share(torch.arange(len(examples)))
    # The share of a worker beyond a very short split is empty.
    batches = [batch for batch in share.split(at_once.size) if len(batch)]
    total, correct = 0.0, 0
    for batch, inputs in zip(batches, examples.load(batches), strict=True):
        score = partial(_score, classifier, inputs, examples.targets[batch])
        loss, hits = at_once.fit(score)
        total, correct = total + loss, correct + hits
    whole_loss, whole_correct = workers.add_up([total, correct])
    return whole_loss / len(examples), 100 * whole_correct / len(examples)


def _score(
    classifier: Classifier, inputs: Tensor, targets: Tensor, at_once: int
) -> tuple[float, int]:
    """Give the sum of the examples' losses, and how many are classified correctly."""
    total, correct = 0.0, 0
    for part, classes in zip(inputs.split(at_once), targets.split(at_once), strict=True):
        loss, image_logits = classifier.classify(part, classes)
        total += loss.item() * len(part)
        correct += int((image_logits.argmax(1).cpu() == classes).sum())
    return total, correct
