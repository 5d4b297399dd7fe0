"""Makes a plan of a search from options, all checked before Ray or any backbone is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sa2vp.config import DECIDED, HYPERPARAMETERS, OPTIONS, SearchConfig, hyperparameter
from sa2vp.methods import METHODS
from sa2vp.options import OptionError, checked
from sa2vp.suites import SUITES
from sa2vp.training.configuration import RunConfiguration, known_hyperparameters
from sa2vp.tuning.earlier import read_earlier
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_checks import (
    check_data_dir,
    check_files,
    check_hyperparameters,
    check_known,
    check_method,
    check_precision,
    check_workers,
    choose_tasks,
    own_spaces,
)
from sa2vp.tuning.recipe import Recipe, read_recipe


def make_plan(**given: Any) -> SearchPlan:
    """Check every option and fill in what the suite, the backbone or a recipe decides.

    Args:
        given: options by the names of the fields of :class:`~sa2vp.config.SearchConfig`, their
            values also as typed.

    Raises:
        OptionError: names the first option that cannot be followed.
    """
    recipe = None if given.get("recipe") is None else read_recipe(Path(given["recipe"]))
    config = checked(SearchConfig, given if recipe is None else _with_recipe(given, recipe))
    if recipe is not None:
        config = config.model_copy(update={"trials": 0})
    check_data_dir(config)
    tasks = choose_tasks(config)
    if recipe is not None and [task.name for task in tasks] != [recipe.task]:
        raise OptionError("--recipe", f"task: {recipe.task!r} is no name of one task")
    source, method = check_method(config.method)
    plan = SearchPlan(
        config=config,
        method=method,
        method_source=source,
        task_rows=tasks,
        spaces=own_spaces(config, tasks, method),
        recipe=recipe,
        earlier=read_earlier(config),
    )
    check_precision(config.precision, config.gpus_per_trial)
    check_known(plan)
    configurations = check_hyperparameters(plan)
    check_files(plan, configurations)
    check_workers(plan, configurations)
    return replace(plan, input_size=_input_size(plan, configurations))


ALL = "all"
"""What ``--method`` says for every method of this project that the backbone supports."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The searches of several methods, alike in all but the method.

    Attributes:
        plans: a method's each, in the order in which they are carried out.
        left_out: why a method that ``all`` would name is not among them, a line each.
    """

    plans: tuple[SearchPlan, ...]
    left_out: tuple[str, ...] = ()


def make_plans(**given: Any) -> Comparison:
    """Make the plan of each method that ``--method`` names, all checked before anything starts.

    A hyperparameter that an option sets is for the methods that have it. Of a list every method has
    to fit; ``all`` leaves out those that the backbone, the suite or a missing file rules out.

    Args:
        given: as for :func:`make_plan`.

    Raises:
        OptionError: names the first option that cannot be followed.
    """
    asked = [name.strip() for name in str(given.get("method") or "").split(",")]
    if asked == [ALL]:
        asked = list(METHODS)
    elif len(asked) == 1:
        return Comparison((make_plan(**given),))
    methods = {name: check_method(name)[1] for name in asked}  # all names before any of the rest
    names = [methods[name].name for name in asked]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OptionError("--method", f"{twice} is named more than once")
    own = [name for name in given if name in HYPERPARAMETERS]
    known = {name: known_hyperparameters(method) for name, method in methods.items()}
    for name in own:
        if not any(name in of_method for of_method in known.values()):
            raise OptionError(hyperparameter(name).flag, f"no method of {given['method']} has it")
    plans, left_out = [], []
    for name in asked:
        of_method = {one: value for one, value in given.items()
                     if one not in own or one in known[name]}  # fmt: skip
        try:
            plans.append(make_plan(**{**of_method, "method": name}))
        except OptionError as error:
            if given["method"] != ALL or error.option != "--method":
                raise
            left_out.append(f"left out: {name}: {str(error).removeprefix('--method: ')}")
    if not plans:
        raise OptionError("--method", f"none can be searched here; {'; '.join(left_out)}")
    return Comparison(tuple(plans), tuple(left_out))


def _input_size(
    plan: SearchPlan, configurations: Mapping[str, Sequence[RunConfiguration]]
) -> int | None:
    """Look at the backbone, which is slow to import, last and only where there is a doubt.

    Args:
        plan: to be followed.
        configurations: of each task, which the backbone has to fit.

    Returns:
        The height and width of its input in pixels; None where it was not looked at.

    Raises:
        OptionError: names the option that does not fit.
    """
    config, checkpoint = plan.config, plan.config.checkpoint
    if checkpoint is not None and not checkpoint.is_file():
        raise OptionError("--checkpoint", f"no such file: {checkpoint}")
    suite = SUITES[config.suite]
    asked = (config.backbone, checkpoint, config.image_size, plan.training, plan.spaces)
    if suite.brings_images and asked == (suite.backbone, None, None, {}, {}):
        return None  # no option says anything of the backbone, and no image is resized to its input
    from sa2vp.tuning.backbone_checks import check_backbone  # noqa: PLC0415

    return check_backbone(plan, configurations)


def _with_recipe(given: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Fill in what a recipe decides.

    Raises:
        OptionError: it is given beside the recipe; names the first such option.
    """
    beside = next((name for name in given if name in DECIDED), None)
    if beside is not None:
        raise OptionError(OPTIONS[beside].flag, "the recipe decides it; leave it out")
    return {**given, **recipe.options()}
