"""Runs a plan on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.tune.error import TuneError

from sa2vp.models import load_backbone
from sa2vp.options import OptionError
from sa2vp.printing import Console
from sa2vp.results.store import StoreError
from sa2vp.tuning.callbacks import in_terms_of_disks
from sa2vp.tuning.cluster import (
    check_fits,
    precision_on_cluster,
    slots_of_cluster,
    start_ray,
    worker_resources,
)
from sa2vp.tuning.method_rows import MethodRows
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_checks import check_precision
from sa2vp.tuning.progress import Progress
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import Session, settle
from sa2vp.tuning.shared_backbone import SharedBackbone, share_backbone
from sa2vp.tuning.task_search import make_searches
from sa2vp.tuning.trainable import SA2VPTrainable
from sa2vp.tuning.tuner import make_scheduler, tuner_for


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended.

    Attributes:
        record: every run of the suite.
        finished: whether nothing of the plan is left to run.
    """

    record: RunRecord
    finished: bool


def search(session: Session, console: Console, others: MethodRows | None = None) -> Outcome:
    """Search every task of the plan, then retrain and test each best configuration.

    Args:
        session: the plan and the results it goes on with.
        console: where progress is shown.
        others: methods that are searched in turn with the plan's; progress shows them too.

    Raises:
        OptionError: a file of the results cannot be read, or the plan does not fit the cluster.
        StoreError: the results can no longer be written; what is written can be gone on with.
    """
    plan, store = session.plan, session.store
    config = plan.config
    try:
        record = RunRecord(store, config.suite, plan.method.name)
        record.check_epochs(plan.tasks)
        if config.retry_failed:
            again = record.retry_failed(plan.tasks)
            console.print(f"--retry-failed: {again} runs are taken up again")
    except StoreError as error:
        raise OptionError("--results", str(error)) from error
    start_ray(console, config.address, verbose=config.verbose)
    try:
        resources = worker_resources(plan)
        slots = slots_of_cluster(resources, config.workers_per_trial)
        check_precision(config.precision, resources["GPU"])
        check_fits(resources, config.workers_per_trial)
        precision = precision_on_cluster(config.precision, resources)
        loaded = load_backbone(config.backbone, config.checkpoint, config.image_size)
        backbone = share_backbone(loaded)
        settle(
            store,
            plan,
            {
                "precision": precision,
                "image_size": int(loaded.patch_embed.img_size[0]),
                "backbone_fingerprint": backbone.fingerprint,
            },
        )
        searches = make_searches(plan, record, session.data.images)
        scheduler = make_scheduler(plan, record, searches)
        searcher = ProtocolSearcher(
            plan, record, searches, session.data.manifests, resources, slots, precision
        )
        if others is not None:
            others.follow(record)
        with Progress(plan, record, console, slots=slots(), others=others) as progress:
            tuner = tuner_for(
                plan,
                store,
                record,
                searcher,
                scheduler,
                make_trainable=lambda folder: _trainable(plan, folder, backbone),
                changed=progress.changed,
                verbose=config.verbose,
            )
            try:
                tuner.fit()
            except (TuneError, StoreError) as error:
                # What a callback raises arrives as the text of its traceback.
                raise (record.lost or in_terms_of_disks(error)) from None
    finally:
        ray.shutdown()
    return Outcome(record, searcher.finished)


def _trainable(plan: SearchPlan, folder: str, backbone: SharedBackbone) -> Any:
    """Give what trains one run of the plan, an actor or several workers."""
    if plan.config.workers_per_trial == 1:
        trainable = tune.with_parameters(SA2VPTrainable, backbone=backbone)
        trainable.__qualname__ = SA2VPTrainable.__qualname__  # which the dashboard shows
        return trainable
    # It brings Ray Train with it: loaded only where it is needed.
    from sa2vp.tuning.workers import shared_trainable  # noqa: PLC0415

    return shared_trainable(folder, backbone)
