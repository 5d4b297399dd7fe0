"""One trial as a Tune trainable: an actor that trains run after run."""

from __future__ import annotations

import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.result import SHOULD_CHECKPOINT

from sa2vp.data.errors import DataError
from sa2vp.data.fingerprint import Manifest
from sa2vp.data.options import DataOptions
from sa2vp.methods import MethodSource
from sa2vp.suites import Task
from sa2vp.training.allocator import keep_freed_memory
from sa2vp.training.build import build_run, input_size
from sa2vp.training.checkpoint import CheckpointError
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.failures import RunFailedError
from sa2vp.training.memory import fence, give_back
from sa2vp.training.run import TrainingRun
from sa2vp.tuning.provenance import gather_provenance
from sa2vp.tuning.record import PREDICTIONS
from sa2vp.tuning.run_log import describe_epoch, log, show_in_title, start_log
from sa2vp.tuning.shared_backbone import SharedBackbone, open_backbone

FAILURES = (RunFailedError, DataError)
"""What a run fails of, and would again if it were repeated: its numbers, or its data."""


class SA2VPTrainable(tune.Trainable):
    """Trains the run that its configuration describes, an epoch a step.

    The configuration holds ``run_id``, ``task`` (its name), ``task_row`` and ``data`` (as
    :class:`Task` and :class:`DataOptions` take them), ``manifest`` (of the data that was checked,
    as :class:`Manifest` takes it), ``phase``, ``method`` (as :class:`MethodSource` takes it),
    ``hyperparameters`` (by name), ``epochs`` and ``seed`` (as :meth:`RunConfiguration.of` takes
    them), ``identity`` and ``start`` (as :meth:`~sa2vp.training.run.TrainingRun.identify` takes
    them), ``precision`` and ``test_every`` (as :func:`~sa2vp.training.build.build_run` takes them),
    ``threads``, ``checkpoints`` (URIs, the first to be tried first) and ``resources`` (of Ray, by
    name). Actors are reused: the backbone stays from run to run.
    """

    def __repr__(self) -> str:
        """Name the actor for the dashboard, which asks once, when its first run has begun."""
        return f"SA2VP, {self._run_id} and later runs"

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Ask for what the plan gives a trial."""
        return tune.PlacementGroupFactory([config["resources"]])

    def setup(self, config: dict[str, Any], backbone: SharedBackbone) -> None:
        """Start the first run of this actor."""
        set_up_process(config["threads"], config["resources"].get("GPU", 0))
        self._backbone = backbone
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another run in the same process."""
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch; a run that failed ends here, with the reason."""
        show_in_title(self._run_id)
        try:
            if self._refused is not None:
                raise self._refused
            metrics = asdict(self._run.run_epoch()) | self._facts
        except FAILURES as error:
            log(self._run_id, str(error))
            return describe_failure(self._configuration, error)
        log(self._run_id, describe_epoch(metrics))
        # Tune saves after such a result alone: half an epoch is nothing to continue from.
        whole = {"done": self._run.finished, SHOULD_CHECKPOINT: True}
        return {**whole, **metrics, **predictions_of(self._run)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the run's state."""
        self._run.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Continue the run, after its worker was lost; from what there is where this is damaged."""
        found = tune.Checkpoint(str(checkpoint))
        if self._refused is None and not take_up(self._run, found, self._run_id):
            self._start(self._configuration)

    def _start(self, config: dict[str, Any]) -> None:
        self._configuration = config
        self._run_id = config["run_id"]
        self._refused: DataError | None = None
        self.__dict__.pop("_run", None)  # the last one is gone before the next takes memory
        give_back(device_of(config))
        try:
            self._run = start_run(config, self._backbone)
            self._facts = facts_of(self._run, self._backbone) | {"workers": 1}
        except DataError as error:
            self._refused = error  # an error here would be tried again, on the same data


def set_up_process(threads: int, gpus: float) -> None:
    """Prepare a process to train, before its first run.

    Args:
        threads: on the CPU.
        gpus: that it was given, or the share of one. Ray hides none from an actor that asked for
            none, and PyTorch's optimisers look at what they see: then they are hidden here.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        fence(torch.device("cuda", torch.cuda.current_device()), gpus)


def start_run(
    config: dict[str, Any], shared: SharedBackbone, device: torch.device | None = None
) -> TrainingRun:
    """Build the run that a configuration describes, and continue it where it says so.

    Args:
        config: as for :class:`SA2VPTrainable`.
        shared: its backbone.
        device: where to train; by default a GPU if the resources hold one.
    """
    device = device or device_of(config)
    start_log(config["run_id"], {**config["hyperparameters"], "seed": config["seed"]})
    for checkpoint in config["checkpoints"]:
        run = _build(config, shared, device)
        if take_up(run, tune.Checkpoint(checkpoint), config["run_id"]):
            return run
    return _build(config, shared, device)


def device_of(config: dict[str, Any]) -> torch.device:
    """Give where the runs of an actor are computed, whatever torch finds."""
    return torch.device("cuda" if config["resources"].get("GPU", 0) > 0 else "cpu")


def take_up(run: TrainingRun, checkpoint: tune.Checkpoint, run_id: str) -> bool:
    """Continue a run that was just built from a checkpoint.

    One that is gone, damaged or another run's is passed over, and one of the last epoch, too: that
    the run is not done yet says that the epoch was not reported.

    Returns:
        Whether it continues from there. If not, build it anew.
    """
    try:
        with checkpoint.as_directory() as directory:
            run.restore(Path(directory))
        if run.finished:
            raise CheckpointError(f"{checkpoint.path}: of the last epoch, which has no result")
    except (CheckpointError, FileNotFoundError) as error:
        log(run_id, f"a checkpoint is passed over: {error}")
        return False
    log(run_id, f"goes on after epoch {run.epoch}")
    return True


def _build(config: dict[str, Any], shared: SharedBackbone, device: torch.device) -> TrainingRun:
    run = build_run(
        Task(**config["task_row"]),
        open_backbone(shared),
        RunConfiguration.of(
            MethodSource(**config["method"]).load(),
            config["hyperparameters"],
            epochs=config["epochs"],
            seed=config["seed"],
        ),
        final=config["phase"] == "final",
        data=DataOptions(**config["data"]),
        precision=config["precision"],
        device=device,
        expected=Manifest(**config["manifest"]),
        test_every=config["test_every"],
    )
    run.identify(config["identity"] | {"backbone": shared.fingerprint}, start=config["start"])
    return run


def facts_of(run: TrainingRun, shared: SharedBackbone) -> dict[str, Any]:
    """Give what every result of a run repeats."""
    backbone, provenance = open_backbone(shared), gather_provenance()
    return {
        "versions": provenance.versions,
        "commit": provenance.commit,
        "epochs_planned": run.configuration.epochs,
        "trainable_params": run.model.count_learned(),
        "backbone_params": sum(p.numel() for p in backbone.parameters()),
        "backbone_fingerprint": shared.fingerprint,
        "precision": run.precision,
        "image_size": input_size(backbone)[0],
    }


def predictions_of(run: TrainingRun) -> dict[str, Any]:
    """Give what a final run's last result adds: each test image's class, and the predicted one."""
    if run.tested is None or not run.finished:
        return {}
    classes = (run.tested.targets.tolist(), run.tested.predicted.tolist())
    return dict(zip(PREDICTIONS, classes, strict=True))


def describe_failure(config: dict[str, Any], error: Exception) -> dict[str, Any]:
    """Give the result that ends a failed run."""
    return {"done": True, "failure": str(error), "epochs_planned": config["epochs"]}


def threads_for(cpus: float) -> int:
    """Give the threads of a trial: one for each whole core, at least one."""
    return max(1, math.floor(cpus))
