"""What a search is asked to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sa2vp.data.options import DataOptions
from sa2vp.methods import Method, MethodSource
from sa2vp.results.schema import search_name
from sa2vp.suites import Task
from sa2vp.training.configuration import RunConfiguration, known_hyperparameters
from sa2vp.tuning.recipe import Recipe
from sa2vp.tuning.spaces import corner_runs
from search_spaces import TaskSpace, Value

DEFAULTS: Mapping[str, Mapping[str, Value]] = {"demo": {"dropout": 0.0}}
"""By backbone, where not the published ones: one 96 channels wide has nothing to spare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPlan:
    """A suite's search and final runs.

    Attributes:
        suite: the list of tasks.
        task_rows: those to run, in the suite's order.
        data: where their images come from.
        backbone: name of the frozen backbone.
        checkpoint: its weights, where the name needs a file.
        image_size: of the images in pixels; None is the backbone's own.
        method: that adapts the backbone.
        method_source: where trials find it.
        training: hyperparameters of the method and of its training that the user has set, by name.
        results: folder or URI of the results.
        trials: configurations tried per task.
        epochs: of a trial that is not stopped, and of every final run.
        seeds: final runs per task.
        seed: of the searcher and of the search's trials.
        grace_epochs: that every trial trains before ASHA may stop it.
        reduction_factor: of the trials that reach a rung of ASHA's, one in so many goes on.
        brackets: of ASHA, which trials take turns in.
        confirm: how many of the best trials are retrained before the configuration is chosen.
        confirm_seeds: how often each of them.
        workers_per_trial: processes that share a trial's batches, each with its own resources.
        cpus_per_trial: CPU cores per worker, also its threads.
        gpus_per_trial: GPUs per worker, fractions included if it is alone; None takes one where
            there is one.
        precision: of the forward pass; ``auto`` leaves it to the device.
        spaces: of tasks whose space is the user's own.
        images_per_second: that a trial trains, for the estimate; None measures it.
        input_size: of the backbone in pixels; None where it was not looked at.
        recipe: what is retrained instead of a search, with no trials before it.
    """

    suite: str
    task_rows: tuple[Task, ...]
    data: DataOptions
    backbone: str
    checkpoint: str | None
    image_size: int | None
    method: type[Method]
    method_source: MethodSource
    results: str
    trials: int
    epochs: int
    seeds: int
    seed: int
    cpus_per_trial: float
    gpus_per_trial: float | None
    precision: str
    workers_per_trial: int
    grace_epochs: int
    reduction_factor: float
    brackets: int = 1
    training: Mapping[str, Value] = field(default_factory=dict)
    confirm: int = 0
    confirm_seeds: int = 2
    spaces: Mapping[str, TaskSpace] = field(default_factory=dict)
    images_per_second: float | None = None
    input_size: int | None = None
    recipe: Recipe | None = None

    @property
    def search_name(self) -> str:
        """Name what is searched, in the names of files in the results."""
        return search_name(self.suite, self.method.name)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Name the tasks to run."""
        return tuple(task.name for task in self.task_rows)

    def task_row(self, name: str) -> Task:
        """Give the task of this name."""
        return next(task for task in self.task_rows if task.name == name)

    @property
    def fixed(self) -> dict[str, Value]:
        """Give what the hyperparameters are that no space holds, by name."""
        known = known_hyperparameters(self.method)
        published = {name: one.default for name, one in known.items() if not one.is_required()}
        own = DEFAULTS.get(self.backbone, {})
        return {
            **published,
            **{name: value for name, value in own.items() if name in known},
            **self.training,
        }

    @property
    def final_seeds(self) -> tuple[int, ...]:
        """List the seeds of the final runs."""
        return tuple(range(1, self.seeds + 1)) if self.recipe is None else self.recipe.seeds

    @property
    def remark(self) -> str | None:
        """Say what the user should know of the configurations that open the search."""
        own = self.recipe is not None or all(task in self.spaces for task in self.tasks)
        return None if own else self.method.remark(self.suite, self.backbone)

    def space(self, task: str) -> TaskSpace:
        """Give the space that a task is searched in."""
        if self.recipe is not None:
            return self.recipe.space
        own = self.spaces.get(task)
        if own is not None:
            return own
        return self.method.default_space(self.suite, task, self.backbone)

    def corner_runs(self, task: str) -> list[RunConfiguration]:
        """Give runs at the corners of a task's space.

        Raises:
            HyperparameterError: names the first hyperparameter that does not fit.
        """
        return corner_runs(self.method, self.space(task), self.fixed, self.epochs)

    def identity(
        self, fingerprints: dict[str, str]
    ) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Give what must stay the same for a search to be continued, as far as the plan says it.

        Args:
            fingerprints: of each task's data.

        Returns:
            What holds for all tasks, by option, by a hyperparameter's name or in words, and what
            holds for each. Of a recipe nothing does for all: its runs stand for themselves.
        """
        weights = "" if self.checkpoint is None else _sha256(Path(self.checkpoint))
        whole = {
            "--backbone": self.backbone,
            "--checkpoint": weights,
            "--epochs": str(self.epochs),
            "--grace-epochs": str(self.grace_epochs),
            "--reduction-factor": f"{self.reduction_factor:g}",
            "--brackets": str(self.brackets),
            "--seed": str(self.seed),
            "--method": self.method_source.identity,
            **{name: json.dumps(value) for name, value in self.fixed.items()},
        }
        if self.precision != "auto":  # which the device decides: it is compared once that is known
            whole["--precision"] = self.precision
        if self.recipe is not None:
            whole = {}
        tasks = {
            task: {
                "data": fingerprints[task],
                "recipe": "none" if self.recipe is None else self.recipe.model_dump_json(),
                "space": json.dumps(self.space(task).described),
            }
            for task in self.tasks
        }
        return whole, tasks


def option_of(hyperparameter: str) -> str:
    """Name the option that sets a hyperparameter."""
    return f"--{hyperparameter.replace('_', '-')}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
