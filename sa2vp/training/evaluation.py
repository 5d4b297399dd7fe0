"""From stored examples to losses and accuracies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sa2vp.data.images.batches import Examples
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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model makes of a split.

    Attributes:
        loss: mean over the examples.
        predicted: class of each example by the image stream, ``(N,)``.
        targets: its own class, ``(N,)``.
    """

    loss: float
    predicted: Tensor
    targets: Tensor

    @property
    def top1(self) -> float:
        """Give the share of examples that are classified correctly, in percent."""
        return 100 * int((self.predicted == self.targets).sum()) / len(self.targets)


@torch.inference_mode()
def evaluate(
    classifier: Classifier, examples: Examples, at_once: MicroBatch, workers: Workers
) -> Evaluation:
    """Evaluate a split; every example counts once, whatever the number of workers."""
    classifier.model.eval()
    share = workers.share(torch.arange(len(examples)))
    # The share of a worker beyond a very short split is empty.
    batches = [batch for batch in share.split(at_once.size) if len(batch)]
    total, predicted = 0.0, torch.zeros(len(examples), dtype=torch.int64)
    for batch, inputs in zip(batches, examples.load(batches), strict=True):
        score = partial(_score, classifier, inputs, examples.targets[batch])
        loss, predicted[batch] = at_once.fit(score)
        total += loss
    # Where an example is another worker's, this one's class is 0.
    whole_loss, *whole = workers.add_up([total, *predicted.tolist()])
    classes = torch.tensor(whole, dtype=torch.int64)
    return Evaluation(whole_loss / len(examples), classes, examples.targets)


def _score(
    classifier: Classifier, inputs: Tensor, targets: Tensor, at_once: int
) -> tuple[float, Tensor]:
    """Give the sum of the examples' losses, and the class of each."""
    total, predicted = 0.0, []
    for part, classes in zip(inputs.split(at_once), targets.split(at_once), strict=True):
        loss, image_logits = classifier.classify(part, classes)
        total += loss.item() * len(part)
        predicted.append(image_logits.argmax(1).cpu())
    return total, torch.cat(predicted)
