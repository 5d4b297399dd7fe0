"""One trial on several workers: Ray Train runs them, and Tune decides after every epoch.

Ray's own bridge between the two (``TuneReportCallback``) lets the workers train on while Tune
decides: their checkpoints run ahead of the recorded epochs, and the trial can end while results are
still on their way. Here the first worker waits for Tune's decision on an epoch before it saves the
checkpoint and goes on, as a trial of one worker does.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
from ray import train, tune
from ray.train.torch import TorchTrainer, get_device
from ray.train.v2._internal.constants import ENV_VARS_TO_PROPAGATE

from sa2vp.training.run import TrainingRun
from sa2vp.tuning.run_log import describe_epoch, log
from sa2vp.tuning.shared_backbone import SharedBackbone
from sa2vp.tuning.trainable import (
    FAILURES,
    describe_failure,
    facts_of,
    predictions_of,
    set_up_process,
    start_run,
    take_up,
)

WAIT_SECONDS = 0.5
"""How often the trial looks whether its workers have ended without a last word."""


class Exchange:
    """Where the workers leave results for their trial, and wait for its decision: a Ray actor."""

    def __init__(self) -> None:
        self._results: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._decisions: asyncio.Queue[None] = asyncio.Queue()

    async def hand_in(self, result: dict[str, Any]) -> None:
        """Leave a result for the trial."""
        await self._results.put(result)

    async def next_result(self, seconds: float) -> dict[str, Any] | None:
        """Give the next result; None where there is none for so long."""
        try:
            return await asyncio.wait_for(self._results.get(), seconds)
        except TimeoutError:
            return None

    async def go_on(self) -> None:
        """Let the workers train another epoch."""
        await self._decisions.put(None)

    async def decision(self) -> None:
        """Wait until they may."""
        await self._decisions.get()


def shared_trainable(folder: str, backbone: SharedBackbone) -> Any:
    """Make the trainable of a search whose trials each run on several workers.

    Args:
        folder: of the search within the results, where Tune keeps its state too.
        backbone: of all trials.
    """
    trainable = tune.with_parameters(train_on_workers, folder=folder, backbone=backbone)
    # Ray Train places the workers. The trial itself only waits, and Tune wants a number above 0.
    return tune.with_resources(trainable, tune.PlacementGroupFactory([{"memory": 1}]))


def train_on_workers(config: dict[str, Any], folder: str, backbone: SharedBackbone) -> None:
    """Train one run on several workers, as a function trainable of Tune.

    The last result is reported once the workers have gone, so that their place is free.

    Args:
        config: as for :class:`~sa2vp.tuning.trainable.SA2VPTrainable`, with ``workers``, how many;
            ``resources`` are each worker's.
        folder: of the search within the results. The run's checkpoints go below its name there,
            and it continues from them after a worker was lost.
        backbone: of all trials.
    """
    name_the_cluster()
    exchange = ray.remote(num_cpus=0)(Exchange).remote()
    resources = {kind: amount for kind, amount in config["resources"].items() if amount > 0}
    trainer = TorchTrainer(
        train_as_worker,
        train_loop_config=config | {"exchange": exchange, "backbone": backbone},
        scaling_config=train.ScalingConfig(
            num_workers=config["workers"],
            use_gpu=resources.get("GPU", 0) > 0,
            resources_per_worker=resources,
        ),
        run_config=train.RunConfig(
            storage_path=f"{folder}/{config['run_id']}",
            name="workers",
            # The last epoch's is saved before its row is entered: until then the one before counts.
            checkpoint_config=train.CheckpointConfig(num_to_keep=2),
            # Tune counts lost workers, whatever the number of workers.
            failure_config=train.FailureConfig(max_failures=0),
        ),
    )
    workers = in_background(trainer.fit)
    last = report_epochs(exchange, workers)
    if last is None:
        workers.result()  # raises what ended them
        raise RuntimeError("the workers ended before the run did")
    tune.report(last)


def name_the_cluster() -> None:
    """Tell Ray Train's helpers which cluster they are on.

    One of them frees the place of a stopped trial's workers. It asks for the cluster by name, and
    on a machine with two Ray clusters it would find neither, leaving the place taken for ever. Ray
    Train hands on only the variables that it lists.
    """
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    ENV_VARS_TO_PROPAGATE.add("RAY_ADDRESS")


def report_epochs(exchange: Any, workers: Future[Any]) -> dict[str, Any] | None:
    """Report each epoch to Tune until the workers have ended; give the result that ends the run."""
    last: dict[str, Any] | None = None
    while True:
        ended = workers.done()
        result = ray.get(exchange.next_result.remote(WAIT_SECONDS))
        if result is None and ended:
            return last
        if result is not None and result["done"]:
            last = last or result
        elif result is not None:
            tune.report(result)  # returns once Tune has decided to go on
            ray.get(exchange.go_on.remote())


def train_as_worker(config: dict[str, Any]) -> None:
    """Train a worker's share of a run, in a process that Ray Train has started."""
    set_up_process(config["threads"], config["resources"].get("GPU", 0))
    exchange = config["exchange"]
    first = train.get_context().get_world_rank() == 0
    try:
        run = start_run(config, config["backbone"], get_device())
    except FAILURES as error:
        hand_in_failure(config, error)
        raise
    facts = facts_of(run, config["backbone"]) | {"workers": config["workers"]}
    checkpoint = train.get_checkpoint()
    if checkpoint is not None and not take_up(run, checkpoint, config["run_id"]):
        run = start_run(config, config["backbone"], get_device())
    run.agree_on_epoch()
    while not run.finished:
        try:
            metrics = asdict(run.run_epoch()) | facts
        except FAILURES as error:
            hand_in_failure(config, error)
            raise  # the others may wait for this worker: its end is theirs
        if first:
            log(config["run_id"], describe_epoch(metrics))
            result = {"done": run.finished, **metrics, **predictions_of(run)}
            ray.get(exchange.hand_in.remote(result))
            if not run.finished:
                ray.get(exchange.decision.remote())
        keep(run, first=first)


def hand_in_failure(config: dict[str, Any], error: Exception) -> None:
    """Leave the last word of a run that failed for its trial."""
    log(config["run_id"], str(error))
    ray.get(config["exchange"].hand_in.remote(describe_failure(config, error)))


def keep(run: TrainingRun, *, first: bool) -> None:
    """Save the run's state as Ray Train's newest checkpoint, which all workers wait for."""
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = None
        if first:
            run.save(Path(directory))
            checkpoint = train.Checkpoint.from_directory(directory)
        train.report({"epoch": run.epoch}, checkpoint=checkpoint)


def in_background(work: Callable[[], Any]) -> Future[Any]:
    """Do work in a thread that a stopped trial does not wait for."""
    future: Future[Any] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, whatever it is
            future.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return future
