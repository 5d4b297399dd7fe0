"""``sa2vp search``, also ``run_search.py``: options first, then the data, then the search."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from sa2vp.cli.commands import command_of
from sa2vp.cli.terminal import console, remarks
from sa2vp.config import SearchConfig
from sa2vp.text import one_line
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.planning import make_plans
from search_spaces.kinds import MAX_COUNT

SUMMARY = """Search each task's hyperparameters on validation, then retrain the best and test it.

The same command again continues what is unfinished; more --trials or --seeds extend it.
"""


def search(**given: Any) -> int:
    """Plan a search from what was typed, and carry it out; give the exit code.

    Args:
        given: what was typed, by the options' names.

    Raises:
        OptionError: an option, the data, the results or the cluster do not fit.
    """
    comparison = make_plans(**given)
    for plan in comparison.plans:
        console.print(*described(plan, alone=len(comparison.plans) == 1), sep="\n")
    for line in comparison.left_out:
        console.print(line, soft_wrap=True)
    # What data and the search need is slow to import: refusals of options come first.
    from sa2vp.cli.work.search import NOT_FINISHED, carry_out  # noqa: PLC0415

    try:
        return carry_out(comparison.plans, given)
    except OSError as error:  # of a disk that is full, say
        remarks.print(one_line(error))
        remarks.print(NOT_FINISHED)
        return 1


def described(plan: SearchPlan, *, alone: bool = True) -> list[str]:
    """Say in a few lines what will be run.

    Args:
        plan: to be carried out.
        alone: whether no other method is searched beside its own.
    """
    config = plan.config
    if plan.recipe is not None:
        seeds = ", ".join(map(str, plan.final_seeds))
        return [f"Recipe for {plan.recipe.task} of suite {config.suite}: final runs, seeds {seeds}"]
    workers = config.workers_per_trial
    trials = f"{config.trials} trials" if config.trials < MAX_COUNT else "Trials"
    within = "" if config.budget is None else f" within {config.budget}"
    return [
        f"Suite {config.suite}: {', '.join(plan.tasks)}; backbone {config.backbone}"
        + ("" if alone else f"; method {plan.method.name}"),
        f"{trials} a task{within} of at most {config.epochs} epochs, "
        f"then {config.seeds} final runs a task"
        + (f", each on {workers} workers" if workers > 1 else ""),
        *([] if plan.remark is None else [plan.remark]),
    ]


def make_search(name: str) -> App:
    """Make the command.

    Args:
        name: as typed.
    """
    return command_of(name, SearchConfig, search, SUMMARY)


app = make_search("search")
