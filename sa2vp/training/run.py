"""One training run, epoch by epoch, which can stop after any epoch and continue elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import torch
from torch import Tensor

from sa2vp.data.images.batches import Examples
from sa2vp.models.learned import LearnedArrays
from sa2vp.training.checkpoint import Checkpoint, CheckpointError
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.distributed import Workers
from sa2vp.training.evaluation import Classifier, Evaluation, evaluate
from sa2vp.training.failures import NonFiniteLossError
from sa2vp.training.generators import generator_states, restore_generators
from sa2vp.training.memory import peak_memory_gib, reset_peak_memory
from sa2vp.training.micro_batch import MicroBatch
from sa2vp.training.optimizer import optimizer_arrays, restore_optimizer
from sa2vp.training.precision import MixedPrecision, choose_precision
from sa2vp.training.schedule import WarmupCosine

EVALUATION_BATCHES = {"cpu": 64, "cuda": 1024}
"""Images at once, by the type of device. Small enough for a CPU's caches: batches of 256 took a
fifth longer there on the demo backbone. On a GPU it is halved until it fits."""


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """What one epoch yields. Accuracies are percent, losses weighted as in training.

    Attributes:
        epoch: counted from 1.
        lr: of the epoch's last step.
        val_loss: None, as val_top1, where the run trains on the validation split too.
        test_top1: None in a search, which never reads the test split, and in epochs of a final run
            that are not tested.
        test_top1_at_best_val: of the first epoch with the best validation accuracy; entered in the
            last epoch of a final run that keeps a validation split, else None.
        seconds: training and evaluation.
        images_per_second: of training alone.
        peak_memory_gib: since the run's start; None where the platform does not tell.
        micro_batch: training images at once; below the batch size, gradients were accumulated.
    """

    epoch: int
    lr: float
    train_loss: float
    val_loss: float | None
    val_top1: float | None
    test_top1: float | None
    test_top1_at_best_val: float | None
    seconds: float
    images_per_second: float
    peak_memory_gib: float | None
    micro_batch: int


@dataclass(frozen=True, slots=True)
class BestEpoch:
    """The first epoch of a final run with the best validation accuracy so far.

    Attributes:
        val_top1: in percent.
        test_top1: in percent; None where the test split was not evaluated then.
        learned: what the model had learned, by name; empty where it was.
    """

    val_top1: float
    test_top1: float | None
    learned: Mapping[str, Tensor]


class TrainingRun:
    """Trains a model's learned arrays.

    Call :func:`~sa2vp.training.generators.seed_everything` before the model is built: the run
    goes on from the generators' state, so that one seed determines all of its numbers.

    In a process group of torch.distributed, its processes share the run: build it and call
    :meth:`run_epoch` in each of them. The batch size and the numbers are those of the whole run.

    A batch that does not fit the memory is taken in smaller parts, whose gradients are accumulated:
    the batch size and the loss, a mean over the whole batch, stay what they are.

    Args:
        model: of the configuration's method; only its learned arrays are trained.
        configuration: of the run.
        train: shuffled every epoch, its last short batch dropped.
        val: evaluated after every epoch; None where the run trains on it too.
        test: evaluated at the end of a final run; leave it out in a search.
        prepare: turns a batch of stored inputs into the model's input, some of them mirrored where
            a mask ``(B,)`` tells so.
        device: where the model computes.
        precision: of the forward pass, one of :data:`~sa2vp.training.configuration.PRECISIONS`.
        test_every: epochs after which the test split is evaluated too, for its curve; 0 is never
            before the end.

    Attributes:
        model: as given, on the device.
        configuration: as given.
        epoch: how many are done.
        validated: what the last epoch made of the validation split; None where there is none.
        tested: what the last epoch made of the test split; None where it was not evaluated.

    Raises:
        ValueError: the batch is larger than the split or smaller than the number of workers, or
            the device lacks the precision.
    """

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        model: LearnedArrays,
        configuration: RunConfiguration,
        *,
        train: Examples,
        val: Examples | None,
        test: Examples | None = None,
        prepare: Callable[[Tensor, Tensor | None], Tensor],
        device: torch.device,
        precision: str = "float32",
        test_every: int = 0,
    ) -> None:
        training, batch_size = configuration.training, configuration.training.batch_size
        if batch_size > len(train):
            raise ValueError(f"batch_size {batch_size} exceeds the {len(train)} training images")
        workers = Workers.of_this_process(device)
        if batch_size < workers.count:
            raise ValueError(f"batch_size {batch_size} gives {workers.count} workers no image each")
        self.configuration = configuration
        self.epoch = 0
        self.validated: Evaluation | None = None
        self.tested: Evaluation | None = None
        self._identity: dict[str, str] = {}
        self._start = 0
        self._step = 0
        self.model = model.to(device)
        self._learned = [p for p in self.model.parameters() if p.requires_grad]
        workers.start_alike(self._learned)
        self._optimizer = configuration.method.build_optimizer(
            self.model, lr=training.lr, weight_decay=training.weight_decay
        )
        self._batch_size = batch_size
        self._steps_per_epoch = len(train) // batch_size
        self._schedule = WarmupCosine(
            training.lr,
            configuration.epochs * self._steps_per_epoch,
            training.min_lr,
            None
            if training.warmup_epochs is None
            else training.warmup_epochs * self._steps_per_epoch,
        )
        self._order = torch.Generator().manual_seed(configuration.seed)
        self._train, self._val, self._test = train, val, test
        self._test_every = test_every
        self._best: BestEpoch | None = None
        self._precision = MixedPrecision(choose_precision(precision, device), device)
        self._identity["precision"] = self._precision.name
        self._classifier = Classifier(
            self.model,
            configuration.method,
            prepare,
            device,
            self._precision,
            training.label_smoothing,
        )
        self._workers = workers
        self._micro_batch = MicroBatch(math.ceil(batch_size / workers.count), "training", device)
        self._evaluation_batch = MicroBatch(EVALUATION_BATCHES[device.type], "evaluation", device)
        reset_peak_memory(device)

    def identify(self, identity: Mapping[str, str], *, start: int) -> None:
        """Bind the checkpoints to this very run: those of others are refused from now on.

        Args:
            identity: what tells it from other runs of the same configuration (see
                :attr:`~sa2vp.training.checkpoint.Checkpoint.run`).
            start: how often it was started, this time included.
        """
        self._identity |= identity
        self._start = start

    @property
    def precision(self) -> str:
        """Name the number format of the forward pass."""
        return self._precision.name

    @property
    def finished(self) -> bool:
        """Tell whether every planned epoch is done."""
        return self.epoch >= self.configuration.epochs

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Run the remaining epochs."""
        while not self.finished:
            yield self.run_epoch()

    def run_epoch(self) -> EpochMetrics:
        """Train and evaluate one epoch.

        Raises:
            NonFiniteLossError: a training or validation loss is not finite.
            MemoryExhaustedError: not even one image at a time fits the memory.
        """
        for limit in (self._micro_batch, self._evaluation_batch):
            limit.begin_epoch()
        start = time.perf_counter()
        train_loss = self._train_epoch()
        training_seconds = time.perf_counter() - start
        self.epoch += 1
        self.validated = val = self._evaluate(self._val)
        val_loss = None if val is None else val.loss
        for name, loss in (("training", train_loss), ("validation", val_loss)):
            if loss is not None and not math.isfinite(loss):
                raise NonFiniteLossError(f"{name} loss became {loss} in epoch {self.epoch}")
        self.tested = self._evaluate(self._test if self._is_tested(self.epoch) else None)
        at_best_val = self._test_best(val)
        peak = peak_memory_gib(self._workers.device)
        for limit in (self._micro_batch, self._evaluation_batch):
            limit.limit(self._workers.smallest(limit.size))
        return EpochMetrics(
            epoch=self.epoch,
            lr=self._schedule.lr(self._step - 1),
            train_loss=train_loss,
            val_loss=val_loss,
            val_top1=None if val is None else val.top1,
            test_top1=None if self.tested is None else self.tested.top1,
            test_top1_at_best_val=at_best_val,
            seconds=time.perf_counter() - start,
            images_per_second=self._steps_per_epoch * self._batch_size / training_seconds,
            peak_memory_gib=None if peak is None else self._workers.largest(peak),
            micro_batch=self._micro_batch.size,
        )

    def agree_on_epoch(self) -> None:
        """Refuse to go on where the workers of this run have continued from different epochs.

        Raises:
            CheckpointError: they have.
        """
        if self._workers.smallest(self.epoch) != -self._workers.smallest(-self.epoch):
            raise CheckpointError("the run's workers have taken up checkpoints of different epochs")

    def _train_epoch(self) -> float:
        """Take the epoch's steps; give the mean loss."""
        self.model.train()
        self._workers.seed_epoch(self.configuration.seed, self.epoch)
        order = torch.randperm(len(self._train), generator=self._order)
        order = order[: self._steps_per_epoch * self._batch_size]
        # Drawn for the whole epoch: the same crops for any number of workers and any micro-batch.
        augmented = self._train.augmented
        draws = torch.rand(len(order), 3, generator=self._order) if augmented else None
        places = torch.arange(len(order)).split(self._batch_size)
        shares = [self._workers.share(batch) for batch in places]
        loaded = self._train.load(
            [order[share] for share in shares],
            None if draws is None else [draws[share] for share in shares],
        )
        steps = [
            self._take_step(
                inputs,
                self._train.targets[order[share]],
                None if draws is None else draws[share, 2] < 0.5,
            )
            for share, inputs in zip(shares, loaded, strict=True)
        ]
        whole = self._workers.add_up(torch.stack(steps).tolist())
        losses = [loss for loss in whole if self._precision.counts(loss)]
        return sum(losses) / len(losses) if losses else math.nan

    def _take_step(self, inputs: Tensor, targets: Tensor, mirrored: Tensor | None) -> Tensor:
        """Take one optimiser step; give this worker's part of the batch's mean loss before it."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.lr(self._step)
        loss = self._micro_batch.fit(
            lambda size: self._compute_gradients(
                inputs.split(size),
                targets.split(size),
                repeat(None) if mirrored is None else mirrored.split(size),
            )
        )
        self._workers.add_gradients(self._learned)
        self._precision.step(self._optimizer, self.configuration.training.grad_clip)
        self._step += 1
        return loss

    def _compute_gradients(
        self,
        inputs: Sequence[Tensor],
        targets: Sequence[Tensor],
        mirrored: Iterable[Tensor | None],
    ) -> Tensor:
        """Leave in the learned arrays the gradients of the parts' share of the batch's mean loss.

        Returns:
            That share, a scalar: the sum of the images' losses, divided by the batch size.
        """
        self._optimizer.zero_grad()
        total = torch.zeros((), device=self._workers.device)
        for part, classes, flips in zip(inputs, targets, mirrored, strict=False):
            loss = self._classifier.training_loss(part, classes, flips)
            loss = loss * (len(part) / self._batch_size)
            self._precision.backward(loss)
            total += loss.detach()
        return total

    def _evaluate(self, examples: Examples | None) -> Evaluation | None:
        if examples is None:
            return None
        return evaluate(self._classifier, examples, self._evaluation_batch, self._workers)

    def _is_tested(self, epoch: int) -> bool:
        return self.finished or (self._test_every > 0 and epoch % self._test_every == 0)

    def _test_best(self, val: Evaluation | None) -> float | None:
        """Keep what the model has learned at the best validation epoch; test that at the end."""
        if val is None or self._test is None:
            return None
        if self._best is None or val.top1 > self._best.val_top1:  # the first of equals
            tested = None if self.tested is None else self.tested.top1
            self._best = BestEpoch(val.top1, tested, {} if self.tested else self._learned_copy())
        if not self.finished or self._best.test_top1 is not None:
            return self._best.test_top1 if self.finished else None
        last = self._learned_copy()
        self.model.load_trainable_state_dict(self._best.learned)
        at_best = self._evaluate(self._test)
        self.model.load_trainable_state_dict(last)
        return None if at_best is None else at_best.top1

    def _learned_copy(self) -> dict[str, Tensor]:
        return {name: array.clone() for name, array in self.model.trainable_state_dict().items()}

    def save(self, directory: Path) -> None:
        """Write everything the run needs to continue; the backbone is not part of it.

        One worker saves for all.
        """
        arrays = {
            **prefixed("learned/", self.model.trainable_state_dict()),
            **prefixed("optimizer/", optimizer_arrays(self.model, self._optimizer)),
            **prefixed(
                "generator/",
                {"order": self._order.get_state(), **generator_states(self._workers.device)},
            ),
        }
        if self._best is not None:
            arrays |= prefixed("best/", self._best.learned)
        Checkpoint(
            arrays,
            self.epoch,
            self._step,
            self.configuration.described(),
            run=self._identity,
            start=self._start,
            micro_batch=self._micro_batch.limited_to,
            evaluation_batch=self._evaluation_batch.limited_to,
            loss_scale=self._precision.state(),
            best=None if self._best is None else (self._best.val_top1, self._best.test_top1),
        ).save(directory)

    def restore(self, directory: Path) -> None:
        """Continue where this run was saved.

        Raises:
            CheckpointError: it is damaged or of another run. Where its arrays turn out not to fit,
                build the run anew: some of them may be in place.
        """
        checkpoint = Checkpoint.load(directory)
        if dict(checkpoint.configuration) != self.configuration.described():
            raise CheckpointError(f"{directory}: of a run with another configuration")
        for name in sorted(checkpoint.run.keys() | self._identity.keys()):
            saved, own = checkpoint.run.get(name), self._identity.get(name)
            if saved != own:
                raise CheckpointError(
                    f"{directory}: of another run: its {name} is {saved}, not {own}"
                )
        try:
            self.model.load_trainable_state_dict(checkpoint.part("learned/"))
            restore_optimizer(self.model, self._optimizer, checkpoint.part("optimizer/"))
            generators = checkpoint.part("generator/")
            self._order.set_state(generators.pop("order"))
            restore_generators(generators, self._workers.device)
        except (ValueError, KeyError, RuntimeError, TypeError) as error:
            raise CheckpointError(f"{directory}: does not fit this run: {error}") from error
        best, learned = checkpoint.best, checkpoint.part("best/")
        self._best = None if best is None else BestEpoch(*best, learned)
        self._precision.restore(checkpoint.loss_scale)
        self._micro_batch.limit(checkpoint.micro_batch)
        self._evaluation_batch.limit(checkpoint.evaluation_batch)
        self.epoch, self._step = checkpoint.epoch, checkpoint.step


def prefixed(prefix: str, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a prefix before every name."""
    return {prefix + name: array for name, array in arrays.items()}
