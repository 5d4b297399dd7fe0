"""What a plan will take, before anything is spent: epochs, disk and hours.

An estimate: ASHA stops what it finds, and rates are those of a step on this machine.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from functools import partial
from statistics import fmean

import torch
from rich.table import Table
from torch import Tensor

from sa2vp.config import SearchConfig
from sa2vp.methods import Method
from sa2vp.models import load_backbone
from sa2vp.models.learned import LearnedArrays
from sa2vp.options import OptionError
from sa2vp.rungs import rungs
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.micro_batch import MicroBatch
from sa2vp.training.precision import MixedPrecision, choose_precision
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData

STATES = 3
"""Arrays that a checkpoint keeps of each learned number: itself and AdamW's two moments."""

MOST_ON_A_CPU = 8
"""Images at once in what is timed on a CPU, whose rate a larger batch changes little."""

FORWARD_ALONE = 3
"""How much faster than a step an evaluation is taken to be, where only the step's rate is given."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Images per second of one trial.

    Attributes:
        training: forward and backward.
        evaluation: forward.
    """

    training: float
    evaluation: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one task takes.

    Attributes:
        epochs: of its trials, if none is stopped.
        expected: of its trials, if ASHA stops the share that it aims at.
        final: of its confirming and final runs.
        hours: of one trial's resources, in all.
        gib: of checkpoints.
    """

    epochs: int
    expected: float
    final: int
    hours: float
    gib: float

    def __add__(self, other: Estimate) -> Estimate:
        """Add two tasks up."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Estimate(*(one + another for one, another in pairs))


def expected_epochs(plan: SearchPlan) -> float:
    """Give the epochs of a trial on average, where one of ``reduction_factor`` passes each rung."""
    return fmean(_expected_epochs(plan, bracket) for bracket in range(plan.config.brackets))


def _expected_epochs(plan: SearchPlan, bracket: int) -> float:
    epochs, factor = plan.config.epochs, plan.config.reduction_factor
    first = plan.config.grace_epochs * factor**bracket
    ends = [*rungs(epochs, first, factor), epochs]
    starts = [0, *ends[:-1]]
    return sum(
        (end - start) / factor**passed
        for passed, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def estimate(plan: SearchPlan, images: Mapping[str, int], rates: Rates, learned: int) -> Estimate:
    """Estimate what a task takes.

    Args:
        plan: of the search.
        images: of each split of the task.
        rates: of one trial.
        learned: numbers that a model of the task learns, at most.
    """
    config = plan.config
    each = expected_epochs(plan)
    per_epoch = images["train"] / rates.training
    validated = per_epoch + images["val"] / rates.evaluation
    most: float = config.trials * config.epochs
    if config.limit is not None:
        most = min(most, config.limit.epochs_left((), validated))
    expected = min(config.trials * each, most)
    trials = min(config.trials, math.ceil(expected / each))
    repeats = config.seeds + config.confirm
    final = config.epochs * repeats
    looks = expected + config.epochs * config.confirm  # at the validation split
    tests = config.seeds * count_tests(config.epochs, config.test_every)
    evaluated = looks * images["val"] + tests * images["test"]
    seconds = (expected + final) * per_epoch + evaluated / rates.evaluation
    return Estimate(
        epochs=round(most),
        expected=expected,
        final=final,
        hours=seconds / 3600,
        gib=(trials + repeats) * STATES * 4 * learned / 2**30,
    )


def count_tests(epochs: int, every: int) -> int:
    """Count how often a final run reads the test split; ``every`` is 0 where only at its end."""
    return -(-epochs // every) if every else 1


def largest_configuration(plan: SearchPlan, task: str) -> RunConfiguration:
    """Give the run of a task's space with the largest hyperparameters, which learns most."""
    return plan.corner_runs(task)[-1]


@dataclass(frozen=True, slots=True)
class Timing:
    """What rates are measured with.

    Attributes:
        device: of this machine.
        precision: that trials would compute in there.
        batch: images at once, as memory allows.
    """

    device: torch.device
    precision: str
    batch: int

    @classmethod
    def of(cls, config: SearchConfig, batch_size: int) -> Timing:
        """Choose what trials of this batch size would be given here.

        Raises:
            OptionError: this machine lacks the precision.
        """
        with_gpu = torch.cuda.is_available() and config.gpus_per_trial != 0
        device = torch.device("cuda" if with_gpu else "cpu")
        try:
            precision = choose_precision(config.precision, device)
        except ValueError as error:
            raise OptionError(
                "--precision", f"{error}; or say --images-per-second of where trials will run"
            ) from error
        return cls(device, precision, batch_size if with_gpu else min(batch_size, MOST_ON_A_CPU))

    def __str__(self) -> str:
        """Name it for the reader of an estimate."""
        place = "GPU" if self.device.type == "cuda" else "CPU"
        return f"a step of {self.batch} images on this machine's {place}, in {self.precision}"


def measure_rates(
    method: Method, model: LearnedArrays, size: tuple[int, int], timing: Timing
) -> Rates:
    """Time a step and an evaluation on this machine.

    Args:
        method: that the model is of.
        model: on a frozen backbone.
        size: of its images in pixels.
        timing: what with; a batch that does not fit the memory is taken in parts.
    """
    device = timing.device
    precision = MixedPrecision(timing.precision, device)
    model.to(device)
    images = torch.zeros(timing.batch, 3, *size, device=device)
    targets = torch.zeros(timing.batch, dtype=torch.int64, device=device)
    parts = MicroBatch(timing.batch, "the estimate", device)

    def in_parts(work: Callable[[Tensor, Tensor], None]) -> None:
        def at_once(size: int) -> None:
            for some, classes in zip(images.split(size), targets.split(size), strict=True):
                work(some, classes)

        parts.fit(at_once)

    def step(some: Tensor, classes: Tensor) -> None:
        precision.backward(method.loss(precision.forward(model, some), classes))

    @torch.inference_mode()
    def look(some: Tensor, _: Tensor) -> None:
        precision.forward(model, some)

    return Rates(
        *(timing.batch / _seconds(partial(in_parts, work), device) for work in (step, look))
    )


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Time work, after once that is not timed."""
    for _ in range(2):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return time.perf_counter() - start


def estimate_plan(plan: SearchPlan, data: PlanData) -> tuple[dict[str, Estimate], str]:
    """Estimate what each task takes, from the stated rate or a measured step.

    Args:
        plan: of the search.
        data: of its tasks.

    Returns:
        The estimates by task, and what they were made from, in words.

    Raises:
        OptionError: the step cannot be measured here.
    """
    config = plan.config
    backbone = load_backbone(config.backbone, config.checkpoint, config.image_size)
    torch.set_num_threads(max(1, min(int(config.cpus_per_trial), os.cpu_count() or 1)))
    largest = {task: largest_configuration(plan, task) for task in plan.tasks}
    methods = {task: one.method for task, one in largest.items()}
    models = {task: method.build(backbone, num_classes=2) for task, method in methods.items()}
    if config.images_per_second is None:
        first = plan.tasks[0]
        timing = Timing.of(config, largest[first].training.batch_size)
        size = backbone.patch_embed.img_size
        rates, basis = measure_rates(methods[first], models[first], size, timing), str(timing)
    else:
        basis = f"{config.images_per_second:g} training images a second"
        rates = Rates(config.images_per_second, FORWARD_ALONE * config.images_per_second)
    estimates = {
        task: estimate(plan, data.images[task], rates, models[task].count_learned())
        for task in plan.tasks
    }
    return estimates, basis


def as_table(estimates: Mapping[str, Estimate]) -> Table:
    """Lay estimates out, with their sum."""
    table = Table(
        "task", "epochs", "after ASHA", "confirming and final", "hours of a trial's place", "GiB"
    )
    whole = Estimate(0, 0.0, 0, 0.0, 0.0)
    for one in estimates.values():
        whole += one
    for task, of_task in (*estimates.items(), ("together", whole)):
        table.add_row(
            task, f"{of_task.epochs:,}", f"{of_task.expected:,.0f}", f"{of_task.final:,}",
            f"{of_task.hours:,.2f}", f"{of_task.gib:.2f}",
        )  # fmt: skip
    return table
