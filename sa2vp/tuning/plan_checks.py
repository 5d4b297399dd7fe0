"""Each option of a search, checked before Ray or any backbone is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from sa2vp.config import SearchConfig, hyperparameter
from sa2vp.data.errors import DataError
from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods import Method, MethodError, MethodSource
from sa2vp.options import OptionError
from sa2vp.suites import SUITES, Task, suite_tasks
from sa2vp.training.configuration import GPU_ONLY, RunConfiguration, check_hyperparameter
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.spaces import checked_space
from search_spaces import TaskSpace
from search_spaces.toml_file import TomlFileError, read_spaces


def choose_tasks(config: SearchConfig) -> tuple[Task, ...]:
    """Find the rows of the tasks to run.

    Raises:
        OptionError: a task is unknown, or the suite and ``--data-dir`` do not fit.
    """
    names = config.tasks
    chosen = None if names is None else [name.strip() for name in names.split(",")]
    if not SUITES[config.suite].own_data:
        if config.columns:
            told = f"suite {config.suite} knows its lists; leave the names of columns out"
            raise OptionError("--image-column, --label-column, --split-column", told)
        try:
            return tuple(suite_tasks(config.suite, chosen))
        except ValueError as error:
            raise OptionError("--tasks", str(error)) from error
    from sa2vp.data.custom import custom_task  # noqa: PLC0415 - NumPy and Pillow are slow to import

    assert config.data_dir is not None  # noqa: S101 - for the type checker
    try:
        task = custom_task(config.data_dir, config.columns)
    except DataError as error:
        raise OptionError("--data-dir", str(error)) from error
    if chosen not in (None, [task.name]):
        raise OptionError("--tasks", f"{config.data_dir} holds one task, {task.name}; leave it out")
    return (task,)


def check_method(reference: str) -> tuple[MethodSource, type[Method]]:
    """Find a method, by its name or in a user's file.

    Raises:
        OptionError: it is not there, or is none.
    """
    try:
        source = MethodSource.of(reference)
        return source, source.load()
    except MethodError as error:
        raise OptionError("--method", str(error)) from error


def own_spaces(
    config: SearchConfig, tasks: Sequence[Task], method: type[Method]
) -> dict[str, TaskSpace]:
    """Read the user's own search spaces, of a suite whose other tasks the file may hold too.

    Raises:
        OptionError: names the file and line.
    """
    if config.spaces is None:
        return {}
    known = [task.name for task in SUITES[config.suite].tasks]
    check = partial(check_hyperparameter, method)
    try:
        return read_spaces(config.spaces, [task.name for task in tasks], check, known)
    except TomlFileError as error:
        raise OptionError("--spaces", str(error)) from error


def check_data_dir(config: SearchConfig) -> None:
    """Refuse a folder of datasets that is missing, or not needed.

    Raises:
        OptionError: names the folder.
    """
    suite, data_dir = SUITES[config.suite], config.data_dir
    if data_dir is None:
        if not suite.brings_images:
            raise OptionError("--data-dir", f"suite {suite.name} needs the folder of its datasets")
    elif not (data_dir.is_dir() or (suite.own_data and data_dir.is_file())):
        raise OptionError("--data-dir", f"no such folder: {data_dir}")
    elif suite.brings_images:
        raise OptionError("--data-dir", f"suite {suite.name} brings its own images; leave it out")


def check_known(plan: SearchPlan) -> None:
    """Refuse hyperparameters that the plan's method does not know.

    Raises:
        OptionError: names the option of the first.
    """
    for name, value in plan.training.items():
        try:
            check_hyperparameter(plan.method, name, value)
        except HyperparameterError as error:
            raise OptionError(
                hyperparameter(name).flag, f"method {plan.method.name}: {error}"
            ) from error


def check_hyperparameters(plan: SearchPlan) -> dict[str, list[RunConfiguration]]:
    """Refuse hyperparameters that no run can be made of.

    Returns:
        Runs at the corners of each task's space.

    Raises:
        OptionError: names the option of the first, or the task whose space it stands in.
    """
    found = {}
    for task in plan.tasks:
        try:
            space = checked_space(plan.method, plan.space(task))
        except HyperparameterError as error:
            where = f"the space of {task}: " if error.name else ""
            raise OptionError("--method", f"{where}{error}") from error
        for name in plan.training:
            if name in space.ranges:
                raise OptionError(
                    hyperparameter(name).flag, f"the space of {task} searches {name}; leave it out"
                )
        try:
            found[task] = plan.corner_runs(task)
        except HyperparameterError as error:
            raise refused(plan, task, error) from error
    return found


def refused(plan: SearchPlan, task: str, error: HyperparameterError) -> OptionError:
    """Blame the option that set a hyperparameter, else the space of the task."""
    set_by_option = plan.recipe is None and (error.name in plan.training or not error.name)
    if set_by_option and plan.training:
        return OptionError(hyperparameter(error.name or next(iter(plan.training))).flag, str(error))
    option = "--recipe" if plan.recipe else "--spaces" if task in plan.spaces else "--method"
    return OptionError(option, f"the space of {task}: {error}")


def check_files(plan: SearchPlan, configurations: Mapping[str, Sequence[RunConfiguration]]) -> None:
    """Refuse a method that lacks the file that its learning starts from.

    Args:
        plan: to be followed.
        configurations: at the corners of each task's space.

    Raises:
        OptionError: names the option.
    """
    for task, of_task in configurations.items():
        for method in {one.method for one in of_task}:
            try:
                method.initial_arrays()
            except HyperparameterError as error:
                raise refused(plan, task, error) from error


def check_workers(
    plan: SearchPlan, configurations: Mapping[str, Sequence[RunConfiguration]]
) -> None:
    """Refuse workers that cannot share every batch of the spaces, or GPUs that they cannot share.

    Args:
        plan: to be followed.
        configurations: at the corners of each task's space.

    Raises:
        OptionError: names the option.
    """
    config = plan.config
    if (config.gpus_per_trial or 0.0) > 1:
        raise OptionError(
            "--gpus-per-trial",
            f"a worker computes on one GPU, not on {config.gpus_per_trial:g}; give it 1, and take "
            "more workers with --workers-per-trial",
        )
    if config.workers_per_trial == 1:
        return
    if not (config.gpus_per_trial or 0.0).is_integer():
        raise OptionError(
            "--gpus-per-trial",
            f"is each worker's with --workers-per-trial; give it a whole GPU or none, "
            f"not {config.gpus_per_trial:g}",
        )
    for task, of_task in configurations.items():
        smallest = min(one.training.batch_size for one in of_task)
        if smallest < config.workers_per_trial:
            raise OptionError(
                "--workers-per-trial",
                f"{config.workers_per_trial} workers cannot share a batch of {smallest} images, "
                f"which the space of {task} holds; take at most {smallest}",
            )


def check_precision(precision: str, gpus: float | None) -> None:
    """Refuse a precision that trials with so many GPUs lack; None is not known yet.

    Raises:
        OptionError: only GPUs have it, and there is none.
    """
    if precision in GPU_ONLY and gpus == 0:
        raise OptionError(
            "--precision",
            f"{precision} needs a GPU, and the trials have none; take bfloat16, float32 or auto",
        )
