"""From stored examples to losses and accuracies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sa2vp.training.distributed import Workers
from sa2vp.training.micro_batch import MicroBatch
from sa2vp.training.objective import sa2vp_loss
from sa2vp.training.precision import MixedPrecision


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs ``(N, ...)`` as they are stored, and their classes, int64 ``(N,)``."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.targets)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model and what it takes to classify stored examples with it.

    Attributes:
        model: gives two ``(B, C)`` logits per batch.
        prepare: turns a batch of stored inputs into the model's input.
        device: where the model computes.
        precision: of the forward pass.
    """

    model: nn.Module
    prepare: Callable[[Tensor], Tensor]
    device: torch.device
    precision: MixedPrecision

    def classify(self, examples: Examples, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Classify the examples of the indices ``(B,)``.

        Returns:
            The mean loss, a scalar, and ``image_logits`` ``(B, C)``.
        """
        inputs = self.prepare(examples.inputs[batch].to(self.device, non_blocking=True))
        logits = self.precision.forward(self.model, inputs)
        targets = examples.targets[batch].to(self.device, non_blocking=True)
        return sa2vp_loss(logits, targets), logits[0]


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
    sums = at_once.fit(lambda size: _score(classifier, examples, share.split(size)))
    loss, correct = workers.add_up(sums)
    return loss / len(examples), 100 * correct / len(examples)


def _score(
    classifier: Classifier, examples: Examples, batches: Sequence[Tensor]
) -> tuple[float, int]:
    """Give the sum of the examples' losses, and how many are classified correctly."""
    total, correct = 0.0, 0
    for batch in batches:
        if not len(batch):  # the share of a worker beyond a very short split
            continue
        loss, image_logits = classifier.classify(examples, batch)
        total += loss.item() * len(batch)
        correct += int((image_logits.argmax(1).cpu() == examples.targets[batch]).sum())
    return total, correct
