"""What a search is asked to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sa2vp.config import SearchConfig
from sa2vp.data.options import DataOptions
from sa2vp.methods import Method, MethodSource
from sa2vp.results.names import search_name
from sa2vp.suites import Task
from sa2vp.training.configuration import RunConfiguration, known_hyperparameters
from sa2vp.tuning.earlier import EarlierTrials, digest_of
from sa2vp.tuning.recipe import Recipe
from sa2vp.tuning.spaces import corner_runs
from search_spaces import TaskSpace, Value

DEFAULTS: Mapping[str, Mapping[str, Value]] = {"demo": {"dropout": 0.0}}
"""By backbone, where not the published ones: one 96 channels wide has nothing to spare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPlan:
    """A suite's search and final runs: the options, and what was found for them.

    Attributes:
        config: every option, checked.
        method: that adapts the backbone.
        method_source: where trials find it.
        task_rows: the tasks to run, in the suite's order.
        spaces: of tasks whose space is the user's own.
        input_size: of the backbone in pixels; None where it was not looked at.
        recipe: what is retrained instead of a search, with no trials before it.
        earlier: what the sampler learns from.
    """

    config: SearchConfig
    task_rows: tuple[Task, ...]
    method: type[Method]
    method_source: MethodSource
    spaces: Mapping[str, TaskSpace] = field(default_factory=dict)
    input_size: int | None = None
    recipe: Recipe | None = None
    earlier: Sequence[EarlierTrials] = ()

    @property
    def data(self) -> DataOptions:
        """Say where images come from."""
        config = self.config
        return DataOptions(
            data_dir=_absolute(config.data_dir),
            cache_dir=_absolute(config.cache_dir),
            cached=not config.no_cache,
            loaders=max(1, int(config.cpus_per_trial)),
        )

    @property
    def search_name(self) -> str:
        """Name what is searched, in the names of files in the results."""
        return search_name(self.config.suite, self.method.name)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Name the tasks to run."""
        return tuple(task.name for task in self.task_rows)

    def task_row(self, name: str) -> Task:
        """Give the task of this name."""
        return next(task for task in self.task_rows if task.name == name)

    @property
    def training(self) -> dict[str, Value]:
        """Give the hyperparameters that options, or a recipe, have set, by name."""
        return self.config.hyperparameters if self.recipe is None else self.recipe.fixed

    @property
    def fixed(self) -> dict[str, Value]:
        """Give what the hyperparameters are that no space holds, by name."""
        known = known_hyperparameters(self.method)
        published = {name: one.default for name, one in known.items() if not one.is_required()}
        own = DEFAULTS.get(self.config.backbone, {})
        return {
            **published,
            **{name: value for name, value in own.items() if name in known},
            **self.training,
        }

    @property
    def final_seeds(self) -> tuple[int, ...]:
        """List the seeds of the final runs."""
        if self.recipe is not None:
            return self.recipe.seeds
        return tuple(range(1, self.config.seeds + 1))

    @property
    def remark(self) -> str | None:
        """Say what the user should know of the configurations that open the search."""
        own = self.recipe is not None or all(task in self.spaces for task in self.tasks)
        return None if own else self.method.remark(self.config.suite, self.config.backbone)

    def space(self, task: str) -> TaskSpace:
        """Give the space that a task is searched in."""
        if self.recipe is not None:
            return self.recipe.space
        own = self.spaces.get(task)
        if own is not None:
            return own
        return self.method.default_space(self.config.suite, task, self.config.backbone)

    def corner_runs(self, task: str) -> list[RunConfiguration]:
        """Give runs at the corners of a task's space.

        Raises:
            HyperparameterError: names the first hyperparameter that does not fit.
        """
        return corner_runs(self.method, self.space(task), self.fixed, self.config.epochs)

    def identity(
        self, fingerprints: Mapping[str, str]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Give what must stay the same for a search to be continued, as far as the plan says it.

        Args:
            fingerprints: of each task's data.

        Returns:
            Plain JSON values: what holds for all tasks, by the options' names, and what holds for
            each. Of a recipe nothing does for all: its runs stand for themselves.
        """
        weights = self.config.checkpoint
        digest = None if weights is None else _sha256(weights)
        whole = {
            **self.config.identity(),
            **self.fixed,
            "method": self.method_source.identity,
            "checkpoint": digest,
            "learn_from": digest_of(self.earlier),
        }
        if self.recipe is not None:
            whole = {}
        tasks = {
            task: {
                "data": fingerprints[task],
                "recipe": None if self.recipe is None else self.recipe.model_dump(mode="json"),
                "space": self.space(task).described,
            }
            for task in self.tasks
        }
        return whole, tasks


def _absolute(path: Path | None) -> str | None:
    """Give a path as trials need it, whose working directory is another."""
    return None if path is None else str(path.resolve())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
