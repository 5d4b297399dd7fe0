"""Each option of a search, checked before Ray or any backbone is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from sa2vp.data.custom import custom_task
from sa2vp.data.errors import DataError
from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods import Method, MethodError, MethodSource
from sa2vp.suites import SUITES, Suite, Task, suite_tasks
from sa2vp.training.configuration import (
    PRECISIONS,
    RunConfiguration,
    check_hyperparameter,
)
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.limits import MAX_IMAGE_SIZE, MAX_PER_TRIAL, MAX_SEED
from sa2vp.tuning.plan import SearchPlan, option_of
from sa2vp.tuning.rungs import rungs
from sa2vp.tuning.spaces import checked_space
from search_spaces import TaskSpace, Value
from search_spaces.kinds import MAX_COUNT
from search_spaces.toml_file import TomlFileError, read_spaces


def check_paths(paths: Mapping[str, str | Path | None]) -> None:
    """Refuse paths that no file system can follow.

    Args:
        paths: by the option that they were given with; URIs are passed over.

    Raises:
        PlanError: names the option.
    """
    for option, path in paths.items():
        if path is None or "://" in str(path):
            continue
        try:
            Path(path).expanduser().resolve().exists()
        except (OSError, RuntimeError) as error:  # too long a name; links in a circle
            raise PlanError(option, getattr(error, "strerror", None) or str(error)) from error


def choose_tasks(suite: str, names: str | None, data_dir: Path | None) -> tuple[Task, ...]:
    """Find the rows of the tasks to run.

    Raises:
        PlanError: a task is unknown, or the suite and ``--data-dir`` do not fit.
    """
    _check_data_dir(SUITES[suite], data_dir)
    chosen = None if names is None else [name.strip() for name in names.split(",")]
    if not SUITES[suite].own_data:
        try:
            return tuple(suite_tasks(suite, chosen))
        except ValueError as error:
            raise PlanError("--tasks", str(error)) from error
    assert data_dir is not None  # noqa: S101 - for the type checker
    try:
        task = custom_task(data_dir)
    except DataError as error:
        raise PlanError("--data-dir", str(error)) from error
    if chosen not in (None, [task.name]):
        raise PlanError("--tasks", f"{data_dir} holds one task, {task.name}; leave it out")
    return (task,)


def check_method(reference: str) -> tuple[MethodSource, type[Method]]:
    """Find a method, by its name or in a user's file.

    Raises:
        PlanError: it is not there, or is none.
    """
    try:
        source = MethodSource.of(reference)
        return source, source.load()
    except MethodError as error:
        raise PlanError("--method", str(error)) from error


def own_spaces(
    path: Path, suite: str, tasks: Sequence[Task], method: type[Method]
) -> dict[str, TaskSpace]:
    """Read the user's own search spaces, of a suite whose other tasks the file may hold too.

    Raises:
        PlanError: names the file and line.
    """
    try:
        known = [task.name for task in SUITES[suite].tasks]
        check = partial(check_hyperparameter, method)
        return read_spaces(path, [task.name for task in tasks], check, known)
    except TomlFileError as error:
        raise PlanError("--spaces", str(error)) from error


def _check_data_dir(suite: Suite, data_dir: Path | None) -> None:
    if data_dir is None:
        if not suite.brings_images:
            raise PlanError("--data-dir", f"suite {suite.name} needs the folder of its datasets")
    elif not (data_dir.is_dir() or (suite.own_data and data_dir.is_file())):
        raise PlanError("--data-dir", f"no such folder: {data_dir}")
    elif suite.brings_images:
        raise PlanError("--data-dir", f"suite {suite.name} brings its own images; leave it out")


def check_numbers(plan: SearchPlan) -> None:
    """Refuse numbers that count nothing, and those beyond all use, of which something overflows.

    Raises:
        PlanError: names the first of them.
    """
    bounds: dict[str, tuple[float, int, int]] = {
        "--trials": (plan.trials, 1 if plan.recipe is None else 0, MAX_COUNT),
        "--epochs": (plan.epochs, 1, MAX_COUNT),
        "--seeds": (plan.seeds, 1, MAX_COUNT),
        "--seed": (plan.seed, 0, MAX_SEED),
        "--grace-epochs": (plan.grace_epochs, 1, MAX_COUNT),
        "--reduction-factor": (plan.reduction_factor, 2, MAX_COUNT),
        "--brackets": (plan.brackets, 1, MAX_COUNT),
        "--confirm": (plan.confirm, 0, MAX_COUNT),
        "--confirm-seeds": (plan.confirm_seeds, 1, MAX_COUNT),
        "--workers-per-trial": (plan.workers_per_trial, 1, MAX_PER_TRIAL),
        "--gpus-per-trial": (plan.gpus_per_trial or 0, 0, MAX_PER_TRIAL),
    }
    if plan.image_size is not None:
        bounds["--image-size"] = (plan.image_size, 1, MAX_IMAGE_SIZE)
    for option, (number, least, most) in bounds.items():
        if not number >= least:
            raise PlanError(option, f"must be {least} or more, got {number}")
        if number > most:
            raise PlanError(option, f"must be {most:,} or less, got {number}")
    above: dict[str, tuple[float | None, float]] = {
        "--cpus-per-trial": (plan.cpus_per_trial, MAX_PER_TRIAL),
        "--images-per-second": (plan.images_per_second, sys.float_info.max),
    }
    for option, (amount, highest) in above.items():
        if amount is not None and not 0 < amount <= highest:
            raise PlanError(option, f"must be above 0 and at most {highest:,g}, got {amount:g}")
    _check_brackets(plan)


def _check_brackets(plan: SearchPlan) -> None:
    """Refuse brackets that have no rung to begin at; the last that has none never stops a trial.

    Raises:
        PlanError: says how many there can be.
    """
    most = 1 + len(rungs(plan.epochs, plan.grace_epochs, plan.reduction_factor))
    if plan.brackets > most:
        raise PlanError(
            "--brackets",
            f"must be {most} or less, got {plan.brackets}: of {plan.epochs} epochs, with "
            f"{plan.grace_epochs} of grace, no more begin a rung apart",
        )


def check_training(method: type[Method], training: Mapping[str, Value]) -> dict[str, Value]:
    """Check the hyperparameters that options have set, and give them in their fields' types.

    Raises:
        PlanError: names the option of the first that is unknown to the method or out of range.
    """
    try:
        return {name: check_hyperparameter(method, name, value) for name, value in training.items()}
    except HyperparameterError as error:
        raise PlanError(option_of(error.name), f"method {method.name}: {error}") from error


def check_hyperparameters(plan: SearchPlan) -> dict[str, list[RunConfiguration]]:
    """Refuse hyperparameters that no run can be made of.

    Returns:
        Runs at the corners of each task's space.

    Raises:
        PlanError: names the option of the first, or the task whose space it stands in.
    """
    found = {}
    for task in plan.tasks:
        try:
            space = checked_space(plan.method, plan.space(task))
        except HyperparameterError as error:
            where = f"the space of {task}: " if error.name else ""
            raise PlanError("--method", f"{where}{error}") from error
        for name in plan.training:
            if name in space.ranges:
                raise PlanError(
                    option_of(name), f"the space of {task} searches {name}; leave it out"
                )
        try:
            found[task] = plan.corner_runs(task)
        except HyperparameterError as error:
            raise _refused(plan, task, error) from error
    return found


def _refused(plan: SearchPlan, task: str, error: HyperparameterError) -> PlanError:
    """Blame the option that set a hyperparameter, else the space of the task."""
    set_by_option = plan.recipe is None and (error.name in plan.training or not error.name)
    if set_by_option and plan.training:
        return PlanError(option_of(error.name or next(iter(plan.training))), str(error))
    option = "--recipe" if plan.recipe else "--spaces" if task in plan.spaces else "--method"
    return PlanError(option, f"the space of {task}: {error}")


def check_workers(
    plan: SearchPlan, configurations: Mapping[str, Sequence[RunConfiguration]]
) -> None:
    """Refuse workers that cannot share every batch of the spaces, or GPUs that they cannot share.

    Args:
        plan: to be followed.
        configurations: at the corners of each task's space.

    Raises:
        PlanError: names the option.
    """
    if plan.workers_per_trial == 1:
        return
    if not (plan.gpus_per_trial or 0.0).is_integer():
        raise PlanError(
            "--gpus-per-trial",
            f"is each worker's with --workers-per-trial; give it a whole GPU or none, "
            f"not {plan.gpus_per_trial:g}",
        )
    for task, of_task in configurations.items():
        smallest = min(one.training.batch_size for one in of_task)
        if smallest < plan.workers_per_trial:
            raise PlanError(
                "--workers-per-trial",
                f"{plan.workers_per_trial} workers cannot share a batch of {smallest} images, "
                f"which the space of {task} holds; take at most {smallest}",
            )


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


def check_backbone(
    plan: SearchPlan,
    checkpoint: Path | None,
    configurations: Mapping[str, Sequence[RunConfiguration]],
) -> int | None:
    """Load it as the trials will; timm, slow to import, is asked last and only where need be.

    Args:
        plan: to be followed.
        checkpoint: as typed.
        configurations: of each task, which the backbone has to fit.

    Returns:
        The height and width of its input in pixels; None where it was not looked at.

    Raises:
        PlanError: names the option that does not fit.
    """
    if checkpoint is not None and not checkpoint.is_file():
        raise PlanError("--checkpoint", f"no such file: {checkpoint}")
    suite = SUITES[plan.suite]
    asked = (plan.backbone, checkpoint, plan.image_size, plan.training, plan.spaces)
    if suite.brings_images and asked == (suite.backbone, None, None, {}, {}):
        return None  # no option says anything of the backbone, and no image is resized to its input
    from sa2vp.models import load_backbone  # noqa: PLC0415
    from sa2vp.models.backbones import check_backbone_name  # noqa: PLC0415
    from sa2vp.models.suitability import BackboneError, ImageSizeError  # noqa: PLC0415

    try:
        check_backbone_name(plan.backbone)
    except BackboneError as error:
        raise PlanError("--backbone", str(error)) from error
    try:
        backbone = load_backbone(plan.backbone, checkpoint, plan.image_size)
    except ImageSizeError as error:
        raise PlanError("--image-size", str(error)) from error
    except BackboneError as error:
        option = "--backbone" if checkpoint is None else "--checkpoint"
        raise PlanError(option, str(error)) from error
    for task, of_task in configurations.items():
        for one in of_task:
            try:
                one.method.check_backbone(backbone)
            except HyperparameterError as error:
                raise _refused(plan, task, error) from error
    return int(backbone.patch_embed.img_size[0])
