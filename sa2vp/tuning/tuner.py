"""Ray's Tuner, set up for this project's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ray import tune
from ray.tune.logger import TBXLoggerCallback

from sa2vp.results.store import ResultsStore, stamp
from sa2vp.tuning.asha import PerTaskASHA
from sa2vp.tuning.callbacks import RecordRuns
from sa2vp.tuning.forecast_stopping import ForecastScheduler
from sa2vp.tuning.monitoring import ExportMetrics
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.study_file import KeepStudies
from sa2vp.tuning.task_search import TaskSearch

Stopping = PerTaskASHA | ForecastScheduler

MAX_WORKER_FAILURES = 2
"""How often a run whose worker was lost goes on from its checkpoint before it has failed."""


def tuner_for(
    plan: SearchPlan,
    store: ResultsStore,
    record: RunRecord,
    searcher: ProtocolSearcher,
    scheduler: Stopping,
    *,
    make_trainable: Callable[[str], Any],
    changed: Callable[[], None],
    verbose: bool = False,
) -> tune.Tuner:
    """Set Ray's Tuner up.

    Args:
        plan: of the search.
        store: its results.
        record: of its runs.
        searcher: that hands them out.
        scheduler: that stops them.
        make_trainable: gives what trains a run, from the folder of Tune's state within the results.
        changed: called after each entry into the record.
        verbose: let Ray write to the terminal.
    """
    name, storage = f"{plan.search_name}-{stamp()}", f"{store.uri}/tune"
    return tune.Tuner(
        make_trainable(f"{storage}/{name}"),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # the searcher says when it is done
            reuse_actors=plan.config.workers_per_trial == 1,
            trial_name_creator=_run_id,
            trial_dirname_creator=_run_id,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=storage,
            # When to save one, the trial says.
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            failure_config=tune.FailureConfig(max_failures=MAX_WORKER_FAILURES),
            callbacks=make_callbacks(plan, store, record, changed, scheduler.reason),
            verbose=1 if verbose else 0,
        ),
    )


def make_scheduler(
    plan: SearchPlan, record: RunRecord, searches: Mapping[str, TaskSearch]
) -> Stopping:
    """Make what stops trials, from the record, before anything else is decided on it.

    A search may have been killed between the last epoch of a run, or the decision to stop it, and
    the entry of its end. What is certain of that end is entered now. A final run has ended once its
    weights are there too; else its last epoch is trained again.
    """
    config = plan.config
    scheduler: Stopping = (
        ForecastScheduler(searches)
        if config.scheduler == "forecast"
        else PerTaskASHA(
            plan.tasks, config.epochs, config.grace_epochs, config.reduction_factor, config.brackets
        )
    )
    for task in plan.tasks:
        for row in record.of(task, "search"):
            epochs = record.epochs[row.run_id]
            scheduler.replay(task, epochs)
            if row.status == "running" and epochs and epochs[-1].decision == "stop":
                record.close(row.run_id)
    for row in record.runs.values():
        done = row.status == "running" and row.epochs_done == row.epochs_planned
        if done and (row.phase != "final" or record.has_weights(row)):
            record.close(row.run_id)
    return scheduler


def make_callbacks(
    plan: SearchPlan,
    store: ResultsStore,
    record: RunRecord,
    changed: Callable[[], None],
    why_stopped: Callable[[str], str],
) -> list[tune.Callback]:
    """List what is told of every run, in this order: the others look at what was recorded."""
    return [
        RecordRuns(record, changed, why_stopped),
        ExportMetrics(record),
        KeepStudies(plan, record, store),
        TBXLoggerCallback(),
    ]


def _run_id(trial: tune.experiment.Trial) -> str:
    return str(trial.config["run_id"])
