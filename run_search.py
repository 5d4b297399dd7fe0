"""Search SA2VP's hyperparameters for a suite of tasks, then retrain and test the best settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from command_line import INTERRUPTED, remarks, run
from sa2vp.tuning.plan import PlanError, SearchOptions, SearchPlan, make_plan

console = Console(highlight=False)
app = typer.Typer(add_completion=False)


@app.command()
def main(
    suite: Annotated[str, typer.Option(metavar="NAME", help="The list of tasks: demo.")],
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
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The datasets; the demo needs none.")
    ] = None,
    results: Annotated[
        str, typer.Option(metavar="DIR", help="Where results go: a path or URI.")
    ] = "results",
    trials: Annotated[int, typer.Option(metavar="N", help="Settings tried per task.")] = 12,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Epochs of a full run. Default: the suite's.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Final runs per task.")] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the options, print the plan and stop.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Let Ray write to the terminal.")
    ] = False,
) -> int:
    """Search each task's hyperparameters on validation, then retrain the best and test it.

    The same command again continues what is unfinished; more --trials or --seeds extend it.
    """
    options = SearchOptions(
        suite=suite,
        tasks=tasks,
        backbone=backbone,
        checkpoint=checkpoint,
        image_size=image_size,
        fusion=fusion,
        data_dir=data_dir,
        results=results,
        trials=trials,
        epochs=epochs,
        seeds=seeds,
        seed=seed,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        precision=precision,
        workers_per_trial=workers_per_trial,
    )
    try:
        plan = make_plan(options)
        console.print(describe(plan))
        return 0 if dry_run else run_plan(plan, address=address, fresh=fresh, verbose=verbose)
    except PlanError as error:
        remarks.print(f"run_search.py: {error}")
        return 2


def describe(plan: SearchPlan) -> str:
    """Say in two lines what will be run."""
    workers = plan.workers_per_trial
    return (
        f"Suite {plan.suite}: {', '.join(plan.tasks)}; backbone {plan.backbone}\n"
        f"{plan.trials} trials a task of at most {plan.epochs} epochs, "
        f"then {plan.seeds} final runs a task"
        + (f", each on {workers} workers" if workers > 1 else "")
    )


def run_plan(plan: SearchPlan, *, address: str | None, fresh: bool, verbose: bool) -> int:
    """Run the plan; return the exit code."""
    # The slower the import, the later: refusals come first.
    from sa2vp.tuning.session import open_session  # noqa: PLC0415

    session = open_session(plan, fresh=fresh)
    if session.set_aside:
        console.print(
            f"--fresh: {session.set_aside} earlier runs are now in {plan.results}/superseded"
        )
    from sa2vp.tuning.search import search  # noqa: PLC0415

    outcome = search(session, console, address=address, verbose=verbose)
    for row in outcome.record.failed():
        remarks.print(f"failed: {row.run_id}: {row.reason}")
    if outcome.record.failed():
        remarks.print(f"Whole tracebacks: error.txt in the runs' folders under {plan.results}/tune")
    if not outcome.finished:
        remarks.print("Not finished. The same command continues it.")
        return INTERRUPTED
    console.print(f"The tables: python reproduce_tables.py --results {plan.results}")
    return 1 if outcome.record.failed() else 0


if __name__ == "__main__":
    sys.exit(run(app, "run_search.py", sys.argv[1:]))
