"""What a plan will take, before anything is spent: epochs, disk and hours.

An estimate: ASHA stops what it finds, and rates are those of a short step on this machine.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from statistics import fmean

import torch
from rich.table import Table

from sa2vp.methods import Method
from sa2vp.models import load_backbone
from sa2vp.models.learned import LearnedArrays
from sa2vp.rungs import rungs
from sa2vp.training.configuration import RunConfiguration
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData

STATES = 3
"""Arrays that a checkpoint keeps of each learned number: itself and AdamW's two moments."""

BATCH = 8
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
    repeats = config.seeds + config.confirm * config.confirm_seeds
    final = config.epochs * repeats
    searched = expected * validated
    tested = final * (per_epoch + images["test"] / rates.evaluation)
    return Estimate(
        epochs=round(most),
        expected=expected,
        final=final,
        hours=(searched + tested) / 3600,
        gib=(trials + repeats) * STATES * 4 * learned / 2**30,
    )


def largest_configuration(plan: SearchPlan, task: str) -> RunConfiguration:
    """Give the run of a task's space with the largest hyperparameters, which learns most."""
    return plan.corner_runs(task)[-1]


def measure_rates(method: Method, model: LearnedArrays, size: tuple[int, int]) -> Rates:
    """Time a step and an evaluation of a small batch on this machine, in float32.

    Args:
        method: that the model is of.
        model: on a frozen backbone.
        size: of its images in pixels.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    images = torch.zeros(BATCH, 3, *size, device=device)
    targets = torch.zeros(BATCH, dtype=torch.int64, device=device)

    def step() -> None:
        method.loss(model(images), targets).backward()

    @torch.inference_mode()
    def look() -> None:
        model(images)

    return Rates(*(BATCH / _seconds(work, device) for work in (step, look)))


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Time work, after once that is not timed."""
    for _ in range(2):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return time.perf_counter() - start


def estimate_plan(plan: SearchPlan, data: PlanData) -> dict[str, Estimate]:
    """Estimate what each task takes, from the stated rate or a measured step.

    Args:
        plan: of the search.
        data: of its tasks.
    """
    config = plan.config
    backbone = load_backbone(config.backbone, config.checkpoint, config.image_size)
    torch.set_num_threads(max(1, min(int(config.cpus_per_trial), os.cpu_count() or 1)))
    methods = {task: largest_configuration(plan, task).method for task in plan.tasks}
    models = {task: method.build(backbone, num_classes=2) for task, method in methods.items()}
    if config.images_per_second is None:
        first = plan.tasks[0]
        rates = measure_rates(methods[first], models[first], backbone.patch_embed.img_size)
    else:
        rates = Rates(config.images_per_second, FORWARD_ALONE * config.images_per_second)
    return {
        task: estimate(plan, data.images[task], rates, models[task].count_learned())
        for task in plan.tasks
    }


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
