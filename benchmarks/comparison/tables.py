"""Recorded configurations of tasks, read from a table in Parquet."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from search_spaces import Choice, LogUniform, Range, TaskSpace
from search_spaces.toml_file import read_spaces

NOT_HYPERPARAMETERS = {
    "task", "number", "seed", "epochs_planned", "epoch", "val_top1", "val_loss", "seconds",
    "cpu_seconds", "correct",
}  # fmt: skip
"""Columns that mean something else; every other column is a hyperparameter."""

MOST_CHOICES = 12
"""A hyperparameter with more different values in a table counts as continuous."""

MANY_IMAGES = 1000

HALVES = ("tuning", "reporting")

LEAST_LOSS = 1e-3
"""Losses below it count as this one: their logarithm is taken."""


class TableError(ValueError):
    """A table that cannot be used; one line with the file's name and what to change."""


@dataclass(frozen=True)
class TaskTable:
    """The recorded configurations of one task.

    Attributes:
        task: name of the task.
        configurations: N of them; a value for each hyperparameter.
        runs: curves of each configuration's seeds, N arrays ``(seeds, epochs, 2)``: validation
            top-1 in percent and the logarithm of the validation loss, which is 0 in all where the
            table has no loss. After a run has failed, both are NaN.
        space: what is searched.
    """

    task: str
    configurations: Sequence[Mapping[str, Any]]
    runs: Sequence[NDArray[np.float64]]
    space: TaskSpace

    @property
    def epochs(self) -> int:
        """Number of epochs of a whole training; 1 where the table has no epochs."""
        return int(self.runs[0].shape[1])

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Places of the configurations; ``(N, hyperparameters)``."""
        return np.array([place(configuration, self.space) for configuration in self.configurations])

    @cached_property
    def completed_runs(self) -> list[NDArray[np.float64]]:
        """The runs; a failed one stays at the worst that was recorded, from its failure on."""
        everything = np.concatenate([curves.reshape(-1, 2) for curves in self.runs])
        worst = [np.nanmin(everything[:, 0]), np.nanmax(everything[:, 1])]
        return [np.where(np.isnan(curves), worst, curves) for curves in self.runs]

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """Mean curve of each configuration over its seeds; ``(N, epochs, 2)``."""
        return np.stack([curves.mean(axis=0) for curves in self.completed_runs])

    @cached_property
    def step(self) -> float:
        """What one validation image counts, in percent; 0 where the accuracies show no steps."""
        seen = np.unique(np.concatenate([curves[..., 0].ravel() for curves in self.runs]).round(6))
        steps = np.diff(seen[~np.isnan(seen)])
        smallest = float(steps.min(initial=100.0))
        whole = np.abs(steps / smallest - np.round(steps / smallest)).max(initial=0.0) < 1e-3
        return smallest if whole else 0.0

    @property
    def images(self) -> int:
        """Number of validation images, or one as good as it where accuracies show no steps."""
        return round(100 / self.step) if self.step else MANY_IMAGES


def place(configuration: Mapping[str, Any], space: TaskSpace) -> NDArray[np.float64]:
    """Put a configuration into the unit cube, each hyperparameter on its own scale."""
    found = []
    for name, within in space.ranges.items():
        if isinstance(within, Choice):
            choices = list(within.values)
            found.append(choices.index(configuration[name]) / max(1, len(choices) - 1))
        else:
            found.append(math.log(configuration[name] / within.low, within.high / within.low))
    return np.array(found)


def read_tables(path: Path, spaces: Path | None = None) -> list[TaskTable]:
    """Read the tasks of a table.

    The columns: task; number, of the configuration within the task; seed, which may be absent; the
    hyperparameters; epoch, without which a run has a single one; val_top1 in percent; val_loss,
    which may be absent. A hyperparameter without values in all rows of a task is none of that
    task's. A task that was recorded with schedules of different lengths (epochs_planned) counts
    as one task for each. A run whose last row has no val_top1 failed in that epoch.

    Args:
        path: of a Parquet file, or of a folder of them.
        spaces: TOML file of the tasks' spaces. Without it a hyperparameter with up to
            ``MOST_CHOICES`` values is a choice among them, and any other is log-uniform between
            the smallest and the largest of them.

    Raises:
        TableError: the table is not of this form.
        search_spaces.toml_file.TomlFileError: the spaces are not.
    """
    rows = _read(path)
    missing = [name for name in ("task", "number", "val_top1") if name not in rows]
    if missing:
        raise TableError(f"{path} lacks the column {missing[0]}")
    for name, absent in (("seed", 0), ("epochs_planned", 0), ("epoch", 1), ("val_loss", 1.0)):
        if name not in rows:
            rows[name] = absent
    tasks = [str(task) for task in rows["task"].unique()]
    given = read_spaces(spaces, tasks, lambda _, value: value) if spaces else {}
    tables = []
    for task, of_task in rows.groupby("task"):
        schedules = (
            of_task.groupby("epochs_planned") if "epochs_planned" in rows else [(0, of_task)]
        )
        for epochs, scheduled in schedules:
            several = len(schedules) > 1
            name = f"{task} ({epochs:g} epochs)" if several else str(task)
            tables.append(_task_table(path, name, scheduled, given.get(str(task))))
    return tables


def _read(path: Path) -> pd.DataFrame:
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise TableError(f"{path} has no Parquet file in it")
    frames = []
    for one in paths:
        try:
            columns = [name for name in pq.read_schema(one).names if name != "correct"]
            frames.append(pd.read_parquet(one, columns=columns))
        except (OSError, ValueError) as error:
            raise TableError(f"{one}: {' '.join(str(error).split())}") from error
    return pd.concat(frames, ignore_index=True)


def _task_table(path: Path, task: str, rows: pd.DataFrame, space: TaskSpace | None) -> TaskTable:
    rows = rows.sort_values(["number", "seed", "epoch"])
    names = [n for n in rows if n not in NOT_HYPERPARAMETERS and rows[n].notna().any()]
    if rows[names].isna().any(axis=None):
        raise TableError(f"{path}: {task}: some rows lack a hyperparameter that others have")
    if not names:
        raise TableError(f"{path}: {task} has no hyperparameters")
    first = rows.drop_duplicates("number")[names]
    if space is None:
        space = TaskSpace({str(name): _range(path, task, first[name]) for name in names}, ())
    elif space.ranges.keys() != set(names):
        raise TableError(f"{path}: {task} has other hyperparameters than the spaces' file")
    configurations = [{str(n): v for n, v in one.items()} for one in first.to_dict("records")]
    for configuration in configurations:
        for name, within in space.ranges.items():
            if configuration[name] not in within:
                value = configuration[name]
                raise TableError(f"{path}: {task} has {name}={value}, outside its space")
    epochs = int(rows["epoch"].max())
    runs = []
    for number, of_number in rows.groupby("number"):
        seeds = [one for _, one in of_number.groupby("seed")]
        runs.append(np.stack([_curve(f"{path}: {task} {number}", one, epochs) for one in seeds]))
    return TaskTable(task, configurations, runs, space)


def _range(path: Path, task: str, column: pd.Series[Any]) -> Range:
    values = sorted(column.unique().tolist())
    if len(values) <= MOST_CHOICES:
        return Choice(*values)
    try:
        return LogUniform(values[0], values[-1])
    except (TypeError, ValueError) as error:
        raise TableError(
            f"{path}: {task} has more than {MOST_CHOICES} values of {column.name}, which must then "
            "be numbers above 0"
        ) from error


def _curve(run: str, rows: pd.DataFrame, epochs: int) -> NDArray[np.float64]:
    """Give a run's top-1 and log loss of each epoch, ``(epochs, 2)``."""
    failed = bool(np.isnan(rows["val_top1"].iloc[-1]))
    if rows["epoch"].tolist() != [*range(1, len(rows) + 1)] or (len(rows) < epochs and not failed):
        raise TableError(f"{run}: a run needs one row for each of {epochs} epochs, unless it fails")
    curve = np.full((epochs, 2), np.nan)
    curve[: len(rows), 0] = rows["val_top1"]
    curve[: len(rows), 1] = np.log(rows["val_loss"].clip(LEAST_LOSS, 1 / LEAST_LOSS))
    curve[np.isnan(curve).any(axis=1)] = np.nan
    return curve


def of_half(tables: Sequence[TaskTable], half: str) -> list[TaskTable]:
    """Give the tasks that constants of a search are tuned on, or those that are reported.

    What stands before a slash in a task's name decides, and what stands before a bracket: a
    dataset with several methods or schedules is in one half as a whole.

    Args:
        tables: of all tasks.
        half: one of ``HALVES``.
    """
    datasets = sorted({dataset_of(table.task) for table in tables}, key=lambda n: crc32(n.encode()))
    chosen = datasets[HALVES.index(half) :: 2]
    return [table for table in tables if dataset_of(table.task) in chosen]


def dataset_of(task: str) -> str:
    """Give the dataset in a task's name, without method and schedule."""
    return re.split(r"/| \(", task, maxsplit=1)[0]
