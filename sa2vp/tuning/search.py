"""Runs a plan on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.tune.error import TuneError

from sa2vp.models import load_backbone
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
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_checks import check_precision
from sa2vp.tuning.progress import Progress
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import Session, settle
from sa2vp.tuning.shared_backbone import SharedBackbone, share_backbone
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


def search(
    session: Session,
    console: Console,
    *,
    address: str | None = None,
    retry_failed: bool = False,
    verbose: bool = False,
) -> Outcome:
    """Search every task of the plan, then retrain and test each best setting.

    Args:
        session: the plan and the results it goes on with.
        console: where progress is shown.
        address: of a running Ray cluster; None starts one on this machine.
        retry_failed: take up again what has failed.
        verbose: let Ray and the trials write to the terminal.

    Raises:
        PlanError: a file of the results cannot be read, or the plan does not fit the cluster.
        StoreError: the results can no longer be written; what is written can be gone on with.
    """
    plan, store = session.plan, session.store
    try:
        record = RunRecord(store, plan.suite, plan.method.name)
        record.check_epochs(plan.tasks)
        if retry_failed:
            again = record.retry_failed(plan.tasks)
            console.print(f"--retry-failed: {again} runs are taken up again")
    except StoreError as error:
        raise PlanError("--results", str(error)) from error
    start_ray(console, address, verbose=verbose)
    try:
        resources = worker_resources(plan)
        slots = slots_of_cluster(resources, plan.workers_per_trial)
        check_precision(plan.precision, resources["GPU"])
        check_fits(resources, plan.workers_per_trial)
        precision = precision_on_cluster(plan.precision, resources)
        loaded = load_backbone(plan.backbone, plan.checkpoint, plan.image_size)
        backbone = share_backbone(loaded)
        settle(
            store,
            plan,
            {
                "--precision": precision,
                "--image-size": str(loaded.patch_embed.img_size[0]),
                "backbone": backbone.fingerprint,
            },
        )
        scheduler = make_scheduler(plan, record)
        searcher = ProtocolSearcher(
            plan, record, session.data.manifests, resources, slots, precision
        )
        with Progress(plan, record, console, slots=slots()) as progress:
            tuner = tuner_for(
                plan,
                store,
                record,
                searcher,
                scheduler,
                make_trainable=lambda folder: _trainable(plan, folder, backbone),
                changed=progress.changed,
                verbose=verbose,
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
    if plan.workers_per_trial == 1:
        trainable = tune.with_parameters(SA2VPTrainable, backbone=backbone)
        trainable.__qualname__ = SA2VPTrainable.__qualname__  # which the dashboard shows
        return trainable
    # It brings Ray Train with it: loaded only where it is needed.
    from sa2vp.tuning.workers import shared_trainable  # noqa: PLC0415

    return shared_trainable(folder, backbone)
