"""What a search is asked to do, checked before Ray or any backbone is started."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from sa2vp.data.tasks import SUITES, suite_tasks
from sa2vp.training.settings import PRECISIONS
from search_spaces import SPACES, Choice, TaskSpace

DEFAULT_EPOCHS = {"demo": 8}
DEFAULT_BACKBONE = {"demo": "demo"}
WEIGHT_DECAY = 1e-4
PUBLISHED_DROPOUT = 0.1
DROPOUT = {"demo": 0.0}
"""By backbone, where not the published rate: one 96 channels wide has nothing to spare."""


class PlanError(ValueError):
    """An option that cannot be followed.

    Args:
        option: as typed, such as ``--suite``.
        problem: what is wrong and what is allowed, in one line.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPlan:
    """A suite's search and final runs.

    Attributes:
        suite: the list of tasks.
        tasks: the names of those to run, in the suite's order.
        backbone: name of the frozen backbone.
        checkpoint: its weights, where the name needs a file.
        image_size: of the images in pixels; None is the backbone's own.
        fusion: ``exact`` or ``acc``.
        results: folder or URI of the results.
        trials: settings tried per task.
        epochs: of a trial that is not stopped, and of every final run.
        seeds: final runs per task.
        seed: of the searcher and of the search's trials.
        workers_per_trial: processes that share a trial's batches, each with its own resources.
        cpus_per_trial: CPU cores per worker, also its threads.
        gpus_per_trial: GPUs per worker, fractions included if it is alone; None takes one where
            there is one.
        precision: of the forward pass; ``auto`` leaves it to the device.
    """

    suite: str
    tasks: tuple[str, ...]
    backbone: str
    checkpoint: str | None
    image_size: int | None
    fusion: str
    results: str
    trials: int
    epochs: int
    seeds: int
    seed: int
    cpus_per_trial: float
    gpus_per_trial: float | None
    precision: str
    workers_per_trial: int

    @property
    def dropout(self) -> float:
        """Give the rate that runs on this plan's backbone train with."""
        return DROPOUT.get(self.backbone, PUBLISHED_DROPOUT)

    def space(self, task: str) -> TaskSpace:
        """Give the space that a task is searched in."""
        return SPACES[self.suite][task]

    def identity(self, fingerprints: dict[str, str]) -> dict[str, str]:
        """Give what must stay the same for a search to be continued, by option.

        Args:
            fingerprints: of each task's data.
        """
        weights = "" if self.checkpoint is None else _sha256(Path(self.checkpoint))
        return {
            "--backbone": self.backbone,
            "--checkpoint": weights,
            "--image-size": str(self.image_size or "of the backbone"),
            "--fusion": self.fusion,
            "--epochs": str(self.epochs),
            "--seed": str(self.seed),
            "--precision": self.precision,
            "dropout": str(self.dropout),
            **{f"data of {task}": fingerprints[task] for task in self.tasks},
            **{f"space of {task}": repr(self.space(task)) for task in self.tasks},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions:
    """The options of ``run_search.py`` as typed; None stands for the suite's default."""

    suite: str
    tasks: str | None = None
    backbone: str | None = None
    checkpoint: Path | None = None
    image_size: int | None = None
    fusion: str = "exact"
    data_dir: Path | None = None
    results: str = "results"
    trials: int = 12
    epochs: int | None = None
    seeds: int = 3
    seed: int = 0
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | None = None
    precision: str = "auto"
    workers_per_trial: int = 1


def make_plan(options: SearchOptions) -> SearchPlan:
    """Check every option and fill in the suite's defaults.

    Raises:
        PlanError: names the first option that cannot be followed.
    """
    suite = options.suite
    if suite not in SUITES:
        raise PlanError("--suite", f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    epochs = DEFAULT_EPOCHS[suite] if options.epochs is None else options.epochs
    plan = SearchPlan(
        suite=suite,
        tasks=_choose_tasks(suite, options.tasks),
        backbone=options.backbone or DEFAULT_BACKBONE[suite],
        checkpoint=None if options.checkpoint is None else str(options.checkpoint.resolve()),
        image_size=options.image_size,
        fusion=options.fusion,
        results=options.results,
        trials=options.trials,
        epochs=epochs,
        seeds=options.seeds,
        seed=options.seed,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        precision=options.precision,
        workers_per_trial=options.workers_per_trial,
    )
    _check_numbers(plan)
    check_precision(plan.precision, plan.gpus_per_trial)
    _check_workers(plan)
    _check_data_dir(suite, options.data_dir)
    _check_backbone(plan, options.checkpoint)
    return plan


def _choose_tasks(suite: str, names: str | None) -> tuple[str, ...]:
    chosen = None if names is None else [name.strip() for name in names.split(",")]
    try:
        return tuple(task.name for task in suite_tasks(suite, chosen))
    except ValueError as error:
        raise PlanError("--tasks", str(error)) from error


def _check_numbers(plan: SearchPlan) -> None:
    bounds = {
        "--trials": (plan.trials, 1),
        "--epochs": (plan.epochs, 1),
        "--seeds": (plan.seeds, 1),
        "--seed": (plan.seed, 0),
        "--workers-per-trial": (plan.workers_per_trial, 1),
        "--gpus-per-trial": (plan.gpus_per_trial or 0, 0),
    }
    for option, (number, least) in bounds.items():
        if not least <= number < math.inf:
            raise PlanError(option, f"must be {least} or more, got {number}")
    if not 0 < plan.cpus_per_trial < math.inf:
        raise PlanError("--cpus-per-trial", f"must be above 0, got {plan.cpus_per_trial}")


def _check_workers(plan: SearchPlan) -> None:
    if plan.workers_per_trial == 1:
        return
    if not (plan.gpus_per_trial or 0.0).is_integer():
        raise PlanError(
            "--gpus-per-trial",
            f"is each worker's with --workers-per-trial; give it a whole GPU or none, "
            f"not {plan.gpus_per_trial:g}",
        )
    for task in plan.tasks:
        smallest = _smallest_batch(plan.space(task))
        if smallest < plan.workers_per_trial:
            raise PlanError(
                "--workers-per-trial",
                f"{plan.workers_per_trial} workers cannot share a batch of {smallest:g} images, "
                f"which the space of {task} holds; take at most {smallest:g}",
            )


def _smallest_batch(space: TaskSpace) -> float:
    sizes = space.ranges["batch_size"]
    return min(sizes.values) if isinstance(sizes, Choice) else sizes.low


def check_precision(precision: str, gpus: float | None) -> None:
    """Refuse a precision that trials with so many GPUs lack; None is not known yet.

    Raises:
        PlanError: it is unknown, or float16 without a GPU.
    """
    if precision not in PRECISIONS:
        raise PlanError(
            "--precision", f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}"
        )
    if precision == "float16" and gpus == 0:
        raise PlanError(
            "--precision",
            "float16 needs a GPU, and the trials have none; take bfloat16, float32 or auto",
        )


def _check_data_dir(suite: str, data_dir: Path | None) -> None:
    if data_dir is None:
        return
    if not data_dir.is_dir():
        raise PlanError("--data-dir", f"no such folder: {data_dir}")
    raise PlanError("--data-dir", f"suite {suite} brings its own images; leave it out")


def _check_backbone(plan: SearchPlan, checkpoint: Path | None) -> None:
    """Load it as the trials will; timm, slow to import, is asked last and only where need be."""
    if checkpoint is not None and not checkpoint.is_file():
        raise PlanError("--checkpoint", f"no such file: {checkpoint}")
    if (plan.backbone, checkpoint, plan.image_size, plan.fusion) == ("demo", None, None, "exact"):
        return
    from sa2vp.models import check_fusion, load_backbone  # noqa: PLC0415
    from sa2vp.models.backbones import check_backbone_name  # noqa: PLC0415
    from sa2vp.models.suitability import BackboneError, ImageSizeError  # noqa: PLC0415

    try:
        check_backbone_name(plan.backbone)
    except BackboneError as error:
        raise PlanError("--backbone", str(error)) from error
    try:
        check_fusion(plan.fusion)
        backbone = load_backbone(plan.backbone, checkpoint, plan.image_size)
        check_fusion(plan.fusion, backbone)
    except ImageSizeError as error:
        raise PlanError("--image-size", str(error)) from error
    except BackboneError as error:
        option = "--backbone" if checkpoint is None else "--checkpoint"
        raise PlanError(option, str(error)) from error
    except ValueError as error:
        raise PlanError("--fusion", str(error)) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
