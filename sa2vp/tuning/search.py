"""Runs a plan on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from rich.console import Console

from sa2vp.tuning.asha import PerTaskASHA
from sa2vp.tuning.callbacks import RecordRuns
from sa2vp.tuning.cluster import check_fits, slots_of_cluster, start_ray, worker_resources
from sa2vp.tuning.plan import PlanError, SearchPlan
from sa2vp.tuning.plan_checks import check_precision
from sa2vp.tuning.progress import Progress
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.provenance import gather_provenance
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import Session, stamp
from sa2vp.tuning.store import StoreError
from sa2vp.tuning.trainable import SA2VPTrainable

MAX_WORKER_FAILURES = 2
"""How often a run whose worker was lost goes on from its checkpoint before it has failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended.

    Attributes:
        record: every run of the suite.
        finished: whether nothing of the plan is left to run.
    """

    record: RunRecord
    finished: bool


def search(
    session: Session, console: Console, *, address: str | None = None, verbose: bool = False
) -> Outcome:
    """Search every task of the plan, then retrain and test each best setting.

    Args:
        session: the plan and the results it goes on with.
        console: where progress is shown.
        address: of a running Ray cluster; None starts one on this machine.
        verbose: let Ray and the trials write to the terminal.

    Raises:
        PlanError: a file of the results cannot be read, or the plan does not fit the cluster.
    """
    plan, store = session.plan, session.store
    try:
        record = RunRecord(store, plan.suite)
    except StoreError as error:
        raise PlanError("--results", str(error)) from error
    start_ray(console, address, verbose=verbose)
    try:
        resources = worker_resources(plan)
        slots = slots_of_cluster(resources, plan.workers_per_trial)
        check_precision(plan.precision, resources["GPU"])
        check_fits(resources, plan.workers_per_trial)
        searcher = ProtocolSearcher(
            plan, record, gather_provenance(session.data.fingerprints), resources, slots
        )
        with Progress(plan, record, console, slots=slots()) as progress:
            alone = plan.workers_per_trial == 1
            name = f"{plan.suite}-{stamp()}"
            storage = f"{store.uri}/tune"
            tuner = tune.Tuner(
                _trainable(plan, f"{storage}/{name}"),
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=_scheduler(plan, record),
                    num_samples=-1,  # the searcher says when it is done
                    reuse_actors=alone,
                    trial_name_creator=_run_id,
                    trial_dirname_creator=_run_id,
                ),
                run_config=tune.RunConfig(
                    name=name,
                    storage_path=storage,
                    # Several workers keep their checkpoints themselves.
                    checkpoint_config=tune.CheckpointConfig(
                        num_to_keep=1, checkpoint_frequency=1 if alone else 0
                    ),
                    failure_config=tune.FailureConfig(max_failures=MAX_WORKER_FAILURES),
                    callbacks=[RecordRuns(record, progress.changed)],
                    verbose=1 if verbose else 0,
                ),
            )
            tuner.fit()
    finally:
        ray.shutdown()
    return Outcome(record, searcher.finished)


def _trainable(plan: SearchPlan, folder: str) -> Any:
    """Give what trains one run of the plan, an actor or several workers."""
    if plan.workers_per_trial == 1:
        return SA2VPTrainable
    # It brings Ray Train with it: loaded only where it is needed.
    from sa2vp.tuning.workers import shared_trainable  # noqa: PLC0415

    return shared_trainable(folder)


def _scheduler(plan: SearchPlan, record: RunRecord) -> PerTaskASHA:
    scheduler = PerTaskASHA(plan.tasks, plan.epochs)
    for task in plan.tasks:
        for row in record.of(task, "search"):
            scheduler.replay(task, record.epochs[row.run_id])
    return scheduler


def _run_id(trial: tune.experiment.Trial) -> str:
    return str(trial.config["run_id"])
