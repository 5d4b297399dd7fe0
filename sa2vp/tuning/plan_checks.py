"""Each option of a search, checked before Ray or any backbone is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sa2vp.config import SearchConfig
from sa2vp.data.errors import DataError
from sa2vp.options import OptionError
from sa2vp.suites import SUITES, Task, suite_tasks
from sa2vp.tuning.plan import SearchPlan
from search_spaces import Choice, TaskSpace
from search_spaces.toml_file import TomlFileError, read_spaces


def choose_tasks(config: SearchConfig) -> tuple[Task, ...]:
    """Find the rows of the tasks to run.

    Raises:
        OptionError: a task is unknown, or the suite and ``--data-dir`` do not fit.
    """
    names = config.tasks
    chosen = None if names is None else [name.strip() for name in names.split(",")]
    if not SUITES[config.suite].own_data:
        try:
            return tuple(suite_tasks(config.suite, chosen))
        except ValueError as error:
            raise OptionError("--tasks", str(error)) from error
    from sa2vp.data.custom import custom_task  # noqa: PLC0415 - NumPy and Pillow are slow to import

    assert config.data_dir is not None  # noqa: S101 - for the type checker
    try:
        task = custom_task(config.data_dir)
    except DataError as error:
        raise OptionError("--data-dir", str(error)) from error
    if chosen not in (None, [task.name]):
        raise OptionError("--tasks", f"{config.data_dir} holds one task, {task.name}; leave it out")
    return (task,)


def own_spaces(path: Path, suite: str, tasks: Sequence[Task]) -> dict[str, TaskSpace]:
    """Read the user's own search spaces, of a suite whose other tasks the file may hold too.

    Raises:
        OptionError: names the file and line.
    """
    try:
        known = [task.name for task in SUITES[suite].tasks]
        return read_spaces(path, [task.name for task in tasks], known)
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


def check_workers(plan: SearchPlan) -> None:
    """Refuse workers that cannot share every batch of the spaces, or GPUs that they cannot share.

    Raises:
        OptionError: names the option.
    """
    config = plan.config
    if config.workers_per_trial == 1:
        return
    if not (config.gpus_per_trial or 0.0).is_integer():
        raise OptionError(
            "--gpus-per-trial",
            f"is each worker's with --workers-per-trial; give it a whole GPU or none, "
            f"not {config.gpus_per_trial:g}",
        )
    for task in plan.tasks:
        smallest = _smallest_batch(plan.space(task))
        if smallest < config.workers_per_trial:
            raise OptionError(
                "--workers-per-trial",
                f"{config.workers_per_trial} workers cannot share a batch of {smallest:g} images, "
                f"which the space of {task} holds; take at most {smallest:g}",
            )


def _smallest_batch(space: TaskSpace) -> float:
    sizes = space.ranges["batch_size"]
    return min(sizes.values) if isinstance(sizes, Choice) else sizes.low


def check_precision(precision: str, gpus: float | None) -> None:
    """Refuse a precision that trials with so many GPUs lack; None is not known yet.

    Raises:
        OptionError: it is float16, and there is no GPU.
    """
    if precision == "float16" and gpus == 0:
        raise OptionError(
            "--precision",
            "float16 needs a GPU, and the trials have none; take bfloat16, float32 or auto",
        )
