"""One trial as a Tune trainable: an actor that trains run after run."""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune

from sa2vp.data.tasks import suite_tasks
from sa2vp.models import load_backbone
from sa2vp.training.build import build_run
from sa2vp.training.failures import RunFailedError
from sa2vp.training.settings import SA2VPSettings

_load_backbone_once = lru_cache(maxsize=1)(load_backbone)


class SA2VPTrainable(tune.Trainable):
    """Trains the run that its configuration describes, an epoch a step.

    The configuration holds ``run_id``, ``suite``, ``task``, ``phase``, ``backbone``,
    ``checkpoint``, ``settings`` (as :class:`SA2VPSettings` takes them), ``precision``, ``threads``,
    ``resume`` (the URI of a checkpoint, or None) and ``resources`` (of Ray, by name). Actors are
    reused: the backbone stays loaded from run to run.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Ask for what the plan gives a trial."""
        return tune.PlacementGroupFactory([config["resources"]])

    def setup(self, config: dict[str, Any]) -> None:
        """Start the first run of this actor."""
        torch.set_num_threads(config["threads"])
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another run in the same process."""
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch; a run that failed ends here, with the reason."""
        planned = {"epochs_planned": self._run.settings.epochs}
        try:
            metrics = self._run.run_epoch()
        except RunFailedError as error:
            return {"done": True, "failure": str(error), "epoch": self._run.epoch, **planned}
        return {"done": self._run.finished, **asdict(metrics), **planned, **self._facts}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the run's state."""
        self._run.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Continue the run, after its worker was lost."""
        self._run.restore(Path(str(checkpoint)))

    def _start(self, config: dict[str, Any]) -> None:
        settings = SA2VPSettings(**config["settings"])
        (task,) = suite_tasks(config["suite"], [config["task"]])
        backbone = _load_backbone_once(config["backbone"], config["checkpoint"])
        self._run = build_run(
            task,
            backbone,
            settings,
            test=config["phase"] == "final",
            precision=config["precision"],
            # Not what torch finds: a trial without a GPU may run where there is one.
            device=torch.device("cuda" if config["resources"].get("GPU", 0) > 0 else "cpu"),
        )
        self._facts = {
            "trainable_params": self._run.model.count_learned(),
            "backbone_params": sum(p.numel() for p in backbone.parameters()),
            "precision": self._run.precision,
        }
        if config["resume"] is not None:
            with tune.Checkpoint(config["resume"]).as_directory() as directory:
                self._run.restore(Path(directory))


def threads_for(cpus: float) -> int:
    """Give the threads of a trial: one for each whole core, at least one."""
    return max(1, math.floor(cpus))
