"""What ``sa2vp search`` does with a plan: look at the data, open the results, then run.

PyTorch, timm and Ray are imported last, where they are needed: refusals come first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.table import Table

from sa2vp.cli.counting import counting
from sa2vp.cli.terminal import INTERRUPTED, console, remarks
from sa2vp.config import DECIDED, hyperparameter
from sa2vp.data.download import download_missing
from sa2vp.data.errors import DataError
from sa2vp.data.images.cache import CachePlan
from sa2vp.options import OptionError
from sa2vp.results.schema import RunRow
from sa2vp.tuning.method_rows import MethodRows
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import (
    PlanData,
    check_data,
    decode_images,
    describe_caches,
    plan_caches,
)
from sa2vp.tuning.session import Session, open_session

NOT_FINISHED = "Not finished. The same command continues it."


def carry_out(plans: Sequence[SearchPlan], given: Collection[str]) -> int:
    """Run plans, or only say what they take; give the exit code.

    Every plan's results are opened before the first is run, so that a refusal comes before it.

    Args:
        plans: what to do, a method's each; they differ in nothing else.
        given: names of the options that were given.

    Raises:
        OptionError: the data, the results or the cluster do not fit; nothing was started.
        OSError: a disk is full, say.
    """
    plan = plans[0]
    if plan.config.dry_run:
        for one in plans:
            console.print(options_table(one, given))
    if plan.config.download:
        fetch_data(plan)
    data, caches = look_at_data(plan)
    check_recipe(plan, data)
    if plan.config.dry_run:
        for one in plans:
            if len(plans) > 1:
                console.print(f"Method {one.method.name}")
            show_estimate(one, data)
        return 0
    sessions = [open_results(one, data) for one in plans]
    with counting("images decoded") as progress:
        decode_images(caches, progress)
    return run_sessions(sessions)


def run_sessions(sessions: Sequence[Session]) -> int:
    """Run the plans of several methods in turn; return the exit code."""
    if len(sessions) == 1:
        return run_session(sessions[0])
    others = MethodRows(sessions)
    worst = 0
    for session in sessions:
        code = run_session(session, others)
        if code == INTERRUPTED:
            return code
        worst = max(worst, code)
    console.print(others.table())
    return worst


def options_table(plan: SearchPlan, given: Collection[str]) -> Table:
    """Lay out every option that has a value, where the value is from, and what it decides."""
    table = Table("option", "value", "from", "role", title="Options")
    for name, value in {**plan.config.values(), **plan.fixed}.items():
        if value is None or value is False:
            continue
        decided = plan.recipe is not None and name in DECIDED
        source = "recipe" if decided else "given" if name in given else "default"
        one = hyperparameter(name)
        table.add_row(one.flag, str(value), source, one.option.role.name.lower())
    return table


def fetch_data(plan: SearchPlan) -> None:
    """Download the datasets that are missing and can be.

    Raises:
        OptionError: a download fails.
    """
    if plan.config.data_dir is None:
        return
    try:
        download_missing(plan.task_rows, plan.config.data_dir.resolve(), console.print)
    except DataError as error:
        raise OptionError("--download", str(error)) from error


def look_at_data(plan: SearchPlan) -> tuple[PlanData, list[CachePlan]]:
    """Check the tasks' data; print the whole report for a dry run, else how splits were drawn.

    What is to be decoded is printed of both.

    Returns:
        What the data is, and what is still to be decoded.

    Raises:
        OptionError: the data has problems.
    """
    with counting("images checked") as progress:
        data = check_data(plan, progress, console if plan.config.dry_run else None)
    if not plan.config.dry_run:  # whose report has it
        for line in data.drawn:
            console.print(line, soft_wrap=True)
    caches = plan_caches(plan)
    if caches:
        console.print(describe_caches(caches))
    return data, caches


def check_recipe(plan: SearchPlan, data: PlanData) -> None:
    """Refuse to repeat a recipe's runs on other data or other weights.

    Raises:
        OptionError: names the option.
    """
    if plan.recipe is None:
        return
    plan.recipe.check_data(data.fingerprints[plan.recipe.task])
    from sa2vp.tuning.backbone_checks import fingerprint_of  # noqa: PLC0415

    plan.recipe.check_backbone(fingerprint_of(plan.config))


def show_estimate(plan: SearchPlan, data: PlanData) -> None:
    """Print what the plan will take."""
    from sa2vp.tuning.estimate import as_table, estimate_plan  # noqa: PLC0415

    estimates, basis = estimate_plan(plan, data)
    console.print(as_table(estimates))
    console.print(f"Estimated from {basis}.")


def open_results(plan: SearchPlan, data: PlanData) -> Session:
    """Open the results folder, or refuse to mix another search with this one.

    Raises:
        OptionError: the folder holds something else.
    """
    session = open_session(plan, data, say=remarks.print)
    if session.set_aside:
        console.print(
            f"--fresh: {session.set_aside} earlier runs are now in {plan.config.results}/superseded"
        )
    return session


def run_session(session: Session, others: MethodRows | None = None) -> int:
    """Run the plan; return the exit code.

    Args:
        session: the plan and its results.
        others: methods that are searched in turn with the plan's.
    """
    from sa2vp.tuning.search import search  # noqa: PLC0415

    config = session.plan.config
    results = config.results
    outcome = search(session, console, others)
    failed = outcome.record.failed()
    for row in failed:
        remarks.print(f"failed: {row.run_id}: {row.reason}")
    if failed:
        remarks.print(f"Whole tracebacks: error.txt in the runs' folders under {results}/tune")
    if not outcome.finished:
        remarks.print(NOT_FINISHED)
        return INTERRUPTED
    if session.plan.recipe is not None:
        show_matches(outcome.record.of(session.plan.recipe.task, "final"))
    for task in session.plan.tasks:
        trials = len(outcome.record.of(task, "search"))
        if config.min_gain and trials < config.trials:
            console.print(
                f"{task}: ended after {trials} of {config.trials} trials, as no new one promised "
                f"{config.min_gain:g} points more"
            )
    console.print(f"The tables: python reproduce_tables.py --results {results}")
    return 1 if failed else 0


def show_matches(runs: Iterable[RunRow]) -> None:
    """Say of each run that repeats another whether it reached the same."""
    for row in runs:
        if row.matched is not None and row.test_top1 is not None:
            same = "as" if row.matched else f"not {row.expected_test_top1:.2f} as"
            console.print(f"{row.run_id}: test top-1 {row.test_top1:.2f}, {same} in the recipe")
