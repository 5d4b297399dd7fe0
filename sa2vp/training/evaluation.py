"""From stored examples to losses and accuracies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sa2vp.data.images.batches import Examples
from sa2vp.methods.base import Method
from sa2vp.training.distributed import Workers
from sa2vp.training.micro_batch import MicroBatch
from sa2vp.training.precision import MixedPrecision


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model and what it takes to classify stored examples with it.

    Attributes:
        model: the method's.
        method: tells what its outputs mean.
        prepare: turns a batch of stored inputs into the model's input, some of them mirrored
            where a mask ``(B,)`` tells so.
        device: where the model computes.
        precision: of the forward pass.
        label_smoothing: of the training loss.
    """

    model: nn.Module
    method: Method
    prepare: Callable[[Tensor, Tensor | None], Tensor]
    device: torch.device
    precision: MixedPrecision

    label_smoothing: float = 0.0

    def training_loss(
        self, inputs: Tensor, targets: Tensor, mirrored: Tensor | None = None
    ) -> Tensor:
        """Give the mean loss of stored inputs ``(B, ...)`` of known classes ``(B,)``, a scalar."""
        return self.method.loss(
            self._outputs(inputs, mirrored), self._moved(targets), self.label_smoothing
        )

    def classify(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Classify stored inputs ``(B, ...)`` of known classes ``(B,)`` in evaluation.

        Returns:
            The mean loss, a scalar, and the logits ``(B, C)`` of the prediction.
        """
        outputs = self._outputs(inputs, None)
        loss = self.method.evaluation_loss(outputs, self._moved(targets))
        return loss, self.method.logits(outputs)

    def _outputs(self, inputs: Tensor, mirrored: Tensor | None) -> Any:
        if mirrored is not None:
            mirrored = self._moved(mirrored)
        return self.precision.forward(self.model, self.prepare(self._moved(inputs), mirrored))

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model makes of a split.

    Attributes:
        loss: mean over the examples.
        predicted: class of each example, ``(N,)``.
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
    """Evaluate a split; every example counts once, whatever the number of workers.

    What a GPU finds stays there until the whole split is done: reading a number waits for it.
    """
    classifier.model.eval()
    share = workers.share(torch.arange(len(examples)))
    # The share of a worker beyond a very short split is empty.
    batches = [batch for batch in share.split(at_once.size) if len(batch)]
    total = torch.zeros((), dtype=torch.float64, device=classifier.device)
    found = []
    for batch, inputs in zip(batches, examples.load(batches), strict=True):
        loss, classes = at_once.fit(partial(_score, classifier, inputs, examples.targets[batch]))
        total += loss
        found.append(classes)
    # Where an example is another worker's, this one's class is 0.
    predicted = torch.zeros(len(examples), dtype=torch.int64)
    predicted[share] = torch.cat(found).cpu() if found else predicted[share]
    whole_loss, *whole = workers.add_up([total.item(), *predicted.tolist()])
    everything = torch.tensor(whole, dtype=torch.int64)
    return Evaluation(whole_loss / len(examples), everything, examples.targets)


def _score(
    classifier: Classifier, inputs: Tensor, targets: Tensor, at_once: int
) -> tuple[Tensor, Tensor]:
    """Give the sum of the examples' losses, float64, and the class of each; both on the device."""
    total = torch.zeros((), dtype=torch.float64, device=classifier.device)
    predicted = []
    for part, classes in zip(inputs.split(at_once), targets.split(at_once), strict=True):
        loss, logits = classifier.classify(part, classes)
        total += loss.double() * len(part)
        predicted.append(logits.argmax(1))
    return total, torch.cat(predicted)
