"""The options of a search, checked and made a plan before Ray or any backbone is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sa2vp.data.options import DataOptions
from sa2vp.suites import SUITES
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_checks import (
    check_backbone,
    check_hyperparameters,
    check_method,
    check_numbers,
    check_paths,
    check_precision,
    check_training,
    check_workers,
    choose_tasks,
    own_spaces,
)
from sa2vp.tuning.recipe import Recipe, read_recipe
from sa2vp.tuning.rungs import REDUCTION_FACTOR, grace_epochs
from search_spaces import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions:
    """The options of ``run_search.py`` as typed; None stands for the suite's default.

    ``training`` holds the hyperparameters of the method and of its training that were set, by name;
    those that are left out are searched, or have their defaults.
    """

    suite: str | None = None
    tasks: str | None = None
    backbone: str | None = None
    checkpoint: Path | None = None
    image_size: int | None = None
    method: str = "sa2vp"
    training: Mapping[str, Value] = field(default_factory=dict)
    data_dir: Path | None = None
    cache_dir: Path | None = None
    cached: bool = True
    results: str = "results"
    trials: int = 12
    epochs: int | None = None
    seeds: int = 3
    seed: int = 0
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | None = None
    precision: str = "auto"
    workers_per_trial: int = 1
    confirm: int = 0
    confirm_seeds: int = 2
    grace_epochs: int | None = None
    reduction_factor: float = REDUCTION_FACTOR
    brackets: int = 1
    spaces: Path | None = None
    images_per_second: float | None = None
    recipe: Path | None = None


def make_plan(options: SearchOptions) -> SearchPlan:
    """Check every option and fill in the suite's defaults.

    Raises:
        PlanError: names the first option that cannot be followed.
    """
    check_paths(
        {
            "--data-dir": options.data_dir,
            "--cache-dir": options.cache_dir,
            "--checkpoint": options.checkpoint,
            "--results": options.results,
        }
    )
    recipe = None if options.recipe is None else read_recipe(options.recipe)
    if recipe is not None:
        options = _as_recipe_says(options, recipe)
    suite = options.suite
    if suite is None:
        raise PlanError("--suite", f"is missing; known: {', '.join(SUITES)}")
    if suite not in SUITES:
        raise PlanError("--suite", f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    data = DataOptions(
        data_dir=_absolute(options.data_dir),
        cache_dir=_absolute(options.cache_dir),
        cached=options.cached,
    )
    source, method = check_method(options.method)
    epochs = SUITES[suite].epochs if options.epochs is None else options.epochs
    tasks = choose_tasks(suite, options.tasks, options.data_dir)
    plan = SearchPlan(
        suite=suite,
        task_rows=tasks,
        spaces={} if options.spaces is None else own_spaces(options.spaces, suite, tasks, method),
        data=data,
        backbone=options.backbone or SUITES[suite].backbone,
        checkpoint=_absolute(options.checkpoint),
        image_size=options.image_size,
        method=method,
        method_source=source,
        training=check_training(method, options.training) if recipe is None else recipe.fixed,
        results=options.results,
        trials=options.trials,
        epochs=epochs,
        seeds=options.seeds,
        seed=options.seed,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        precision=options.precision,
        workers_per_trial=options.workers_per_trial,
        grace_epochs=grace_epochs(epochs) if options.grace_epochs is None else options.grace_epochs,
        reduction_factor=options.reduction_factor,
        brackets=options.brackets,
        images_per_second=options.images_per_second,
        confirm=options.confirm,
        confirm_seeds=options.confirm_seeds,
        recipe=recipe,
    )
    if recipe is not None and plan.tasks != (recipe.task,):
        raise PlanError("--recipe", f"task: {recipe.task!r} is no name of one task")
    check_numbers(plan)
    check_precision(plan.precision, plan.gpus_per_trial)
    configurations = check_hyperparameters(plan)
    check_workers(plan, configurations)
    return replace(
        plan,
        data=replace(data, loaders=max(1, int(plan.cpus_per_trial))),
        input_size=check_backbone(plan, options.checkpoint, configurations),
    )


def _as_recipe_says(options: SearchOptions, recipe: Recipe) -> SearchOptions:
    """Fill in what a recipe decides."""
    return replace(
        options,
        suite=recipe.suite,
        tasks=recipe.task,
        backbone=recipe.backbone,
        image_size=recipe.image_size,
        method=recipe.method,
        precision=recipe.precision,
        epochs=recipe.epochs_planned,
        trials=0,
        seeds=len(recipe.seeds),
    )


def _absolute(path: Path | None) -> str | None:
    """Give a path as trials need it, whose working directory is another."""
    return None if path is None else str(path.resolve())
