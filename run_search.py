"""Search SA2VP's hyperparameters for a suite of tasks, then retrain and test the best settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from command_line import INTERRUPTED, counting, refuse, remarks, run
from sa2vp.data.download import download_missing
from sa2vp.data.errors import DataError
from sa2vp.printing import Console
from sa2vp.suites import SUITES
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.options import SearchOptions, make_plan
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.rungs import REDUCTION_FACTOR

if TYPE_CHECKING:
    from sa2vp.data.images.cache import CachePlan
    from sa2vp.results.schema import RunRow
    from sa2vp.tuning.plan_data import PlanData
    from sa2vp.tuning.session import Session

NOT_FINISHED = "Not finished. The same command continues it."

RECIPE_DECIDES = (
    "suite", "tasks", "backbone", "image_size", "fusion", "precision", "spaces", "trials",
    "epochs", "seeds", "seed", "grace_epochs", "reduction_factor", "brackets", "confirm",
    "confirm_seeds",
)  # fmt: skip
"""Parameters that cannot be given beside ``--recipe``."""

console = Console()
app = typer.Typer(add_completion=False)


@app.command()
def main(
    context: typer.Context,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help=f"{', '.join(SUITES)}.")] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="A,B", help="Some of the suite's tasks. Default: all.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="demo, vit-b16, swin-b or timm's. Default: the suite's."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The backbone's weights: .npz, .pth, .safetensors."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(metavar="N", help="Pixels a side. Default: the backbone's.")
    ] = None,
    fusion: Annotated[
        str, typer.Option(metavar="NAME", help="exact, or acc: the authors' other variant.")
    ] = "exact",
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Retrain what reproduce_tables.py --recipes wrote."),
    ] = None,
    spaces: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own search spaces, a TOML file.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The datasets, or your own; the demo needs none."),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For decoded images. Default: your cache folder."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep none: decode images in every epoch.")
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="First fetch what is missing and torchvision has.")
    ] = False,
    results: Annotated[
        str, typer.Option(metavar="DIR", help="Where results go: a path or URI.")
    ] = "results",
    trials: Annotated[int, typer.Option(metavar="N", help="Settings tried per task.")] = 12,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Epochs of a full run. Default: the suite's.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Final runs per task.")] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
    grace_epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Before ASHA may stop a trial. Default: a fifth of all."),
    ] = None,
    reduction_factor: Annotated[
        float, typer.Option(metavar="X", help="Of the trials at a rung, ASHA keeps one in X.")
    ] = REDUCTION_FACTOR,
    brackets: Annotated[
        int, typer.Option(metavar="N", help="Of ASHA, each beginning a rung later than the last.")
    ] = 1,
    confirm: Annotated[
        int, typer.Option(metavar="K", help="Retrain the K best trials, choose by their means.")
    ] = 0,
    confirm_seeds: Annotated[
        int, typer.Option(metavar="N", help="How often each of them, with further seeds.")
    ] = 2,
    workers_per_trial: Annotated[
        int, typer.Option(metavar="N", help="Workers that share each trial's batches.")
    ] = 1,
    cpus_per_trial: Annotated[
        float, typer.Option(metavar="X", help="CPU cores per trial, or per worker of it.")
    ] = 1.0,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="GPUs per trial, or a fraction, or per worker. Default: 1 if there is one.",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="float32, bfloat16, float16 (GPU only), or auto: bfloat16 where a GPU has it.",
        ),
    ] = "auto",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="A Ray cluster: auto, ray://... Default: a local one."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over; earlier runs are set aside, not deleted.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Take failed runs up again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the options, print the plan and stop.")
    ] = False,
    images_per_second: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="For --dry-run: what a trial trains. Default: measured here."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Let Ray write to the terminal.")
    ] = False,
) -> int:
    """Search each task's hyperparameters on validation, then retrain the best and test it.

    The same command again continues what is unfinished; more --trials or --seeds extend it.
    """
    options = SearchOptions(
        suite=suite,
        recipe=recipe,
        tasks=tasks,
        backbone=backbone,
        checkpoint=checkpoint,
        image_size=image_size,
        fusion=fusion,
        spaces=spaces,
        data_dir=data_dir,
        cache_dir=cache_dir,
        cached=not no_cache,
        results=results,
        trials=trials,
        epochs=epochs,
        seeds=seeds,
        seed=seed,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        precision=precision,
        workers_per_trial=workers_per_trial,
        grace_epochs=grace_epochs,
        reduction_factor=reduction_factor,
        brackets=brackets,
        images_per_second=images_per_second,
        confirm=confirm,
        confirm_seeds=confirm_seeds,
    )
    try:
        if recipe is not None:
            refuse_beside_recipe(context)
        plan = make_plan(options)
        console.print(*describe(plan), sep="\n")
        if download:
            fetch_data(plan)
        data, caches = look_at_data(plan, whole=dry_run)
        check_recipe(plan, data)
        if dry_run:
            show_estimate(plan, data)
            return 0
        session = open_results(plan, data, fresh=fresh)
        decode(caches)
        return run_session(session, address=address, retry_failed=retry_failed, verbose=verbose)
    except PlanError as error:
        return refuse("run_search.py", error)
    except OSError as error:  # of a disk that is full, say
        refuse("run_search.py", error)
        remarks.print(NOT_FINISHED)
        return 1


def describe(plan: SearchPlan) -> list[str]:
    """Say in a few lines what will be run."""
    workers = plan.workers_per_trial
    if plan.recipe is not None:
        seeds = ", ".join(map(str, plan.final_seeds))
        return [f"Recipe for {plan.recipe.task} of suite {plan.suite}: final runs, seeds {seeds}"]
    return [
        f"Suite {plan.suite}: {', '.join(plan.tasks)}; backbone {plan.backbone}",
        f"{plan.trials} trials a task of at most {plan.epochs} epochs, "
        f"then {plan.seeds} final runs a task"
        + (f", each on {workers} workers" if workers > 1 else ""),
        *([] if plan.remark is None else [plan.remark]),
    ]


def fetch_data(plan: SearchPlan) -> None:
    """Download the datasets that are missing and can be.

    Raises:
        PlanError: a download fails.
    """
    if plan.data.data_dir is None:
        return
    try:
        download_missing(plan.task_rows, Path(plan.data.data_dir), console.print)
    except DataError as error:
        raise PlanError("--download", str(error)) from error


def look_at_data(plan: SearchPlan, *, whole: bool) -> tuple[PlanData, list[CachePlan]]:
    """Check the tasks' data; print the whole report where asked, else what is to be decoded.

    Returns:
        What the data is, and what is still to be decoded.

    Raises:
        PlanError: the data has problems.
    """
    # The slower the import, the later: refusals come first.
    from sa2vp.tuning.plan_data import check_data, describe_caches, plan_caches  # noqa: PLC0415

    with counting("images checked") as progress:
        data = check_data(plan, progress, console if whole else None)
    caches = plan_caches(plan)
    if caches:
        console.print(describe_caches(caches))
    return data, caches


def refuse_beside_recipe(context: typer.Context) -> None:
    """Refuse options that a recipe decides.

    Raises:
        PlanError: names the first of them.
    """
    for name in RECIPE_DECIDES:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise PlanError(option, "the recipe decides it; leave it out")


def check_recipe(plan: SearchPlan, data: PlanData) -> None:
    """Refuse to repeat a recipe's runs on other data or other weights.

    Raises:
        PlanError: names the option.
    """
    if plan.recipe is None:
        return
    from sa2vp.models import load_backbone  # noqa: PLC0415 - as above
    from sa2vp.models.fingerprint import fingerprint  # noqa: PLC0415

    plan.recipe.check_data(data.fingerprints[plan.recipe.task])
    backbone = load_backbone(plan.backbone, plan.checkpoint, plan.image_size)
    plan.recipe.check_backbone(fingerprint(backbone))


def show_matches(runs: Iterable[RunRow]) -> None:
    """Say of each run that repeats another whether it reached the same."""
    for row in runs:
        if row.matched is not None and row.test_top1 is not None:
            same = "as" if row.matched else f"not {row.expected_test_top1:.2f} as"
            console.print(f"{row.run_id}: test top-1 {row.test_top1:.2f}, {same} in the recipe")


def show_estimate(plan: SearchPlan, data: PlanData) -> None:
    """Print what the plan will take."""
    from sa2vp.tuning.estimate import as_table, estimate_plan  # noqa: PLC0415 - as above

    console.print(as_table(estimate_plan(plan, data)))
    console.print(
        f"Estimated from {plan.images_per_second:g} training images a second."
        if plan.images_per_second
        else "Estimated from a short step on this machine, in float32."
    )


def open_results(plan: SearchPlan, data: PlanData, *, fresh: bool) -> Session:
    """Open the results folder, or refuse to mix another search with this one.

    Raises:
        PlanError: the folder holds something else.
    """
    from sa2vp.tuning.session import open_session  # noqa: PLC0415 - as above

    session = open_session(plan, data, fresh=fresh, say=remarks.print)
    if session.set_aside:
        console.print(
            f"--fresh: {session.set_aside} earlier runs are now in {plan.results}/superseded"
        )
    return session


def decode(caches: list[CachePlan]) -> None:
    """Decode what is not decoded yet.

    Raises:
        PlanError: images are damaged, or cannot be kept.
    """
    from sa2vp.tuning.plan_data import decode_images  # noqa: PLC0415 - as above

    with counting("images decoded") as progress:
        decode_images(caches, progress)


def run_session(session: Session, *, address: str | None, retry_failed: bool, verbose: bool) -> int:
    """Run the plan; return the exit code."""
    from sa2vp.tuning.search import search  # noqa: PLC0415 - as above

    results = session.plan.results
    outcome = search(session, console, address=address, retry_failed=retry_failed, verbose=verbose)
    for row in outcome.record.failed():
        remarks.print(f"failed: {row.run_id}: {row.reason}")
    if outcome.record.failed():
        remarks.print(f"Whole tracebacks: error.txt in the runs' folders under {results}/tune")
    if not outcome.finished:
        remarks.print(NOT_FINISHED)
        return INTERRUPTED
    if session.plan.recipe is not None:
        show_matches(outcome.record.of(session.plan.recipe.task, "final"))
    console.print(f"The tables: python reproduce_tables.py --results {results}")
    return 1 if outcome.record.failed() else 0


if __name__ == "__main__":
    sys.exit(run(app, "run_search.py", sys.argv[1:]))
