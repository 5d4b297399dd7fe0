"""ASHA for every task of a suite, on the project's own epoch count, rebuilt from results."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from sa2vp.tuning.rows import EpochRow
from sa2vp.tuning.task_search import METRIC

REDUCTION_FACTOR = 3


def grace_epochs(epochs: int) -> int:
    """Give the epochs before a trial may be stopped: a fifth, rounded up: twice the warm-up."""
    return math.ceil(epochs / 5)


class PerTaskASHA(FIFOScheduler):
    """One ASHA bracket per task; final runs are never stopped.

    Ray's scheduler compares all trials of an experiment with each other and forgets its rungs
    when a search is continued. Here accuracies of different tasks are never compared, and the
    rungs are filled again from the recorded epochs. Runs are known by their run_id, so that a
    continued run takes part once.

    Args:
        tasks: names.
        epochs: of a trial that is not stopped.
    """

    def __init__(self, tasks: Iterable[str], epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._by_task = {
            task: ASHAScheduler(
                time_attr="epoch",
                metric=METRIC,
                mode="max",
                max_t=epochs,
                grace_period=grace_epochs(epochs),
                reduction_factor=REDUCTION_FACTOR,
            )
            for task in tasks
        }

    def replay(self, task: str, epochs: Iterable[EpochRow]) -> None:
        """Enter the epochs of a recorded search run into its task's rungs."""
        for row in epochs:
            self._decide(task, row.run_id, {"epoch": row.epoch, METRIC: row.val_top1})

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide whether a search trial goes on."""
        del tune_controller
        config = trial.config
        if config["phase"] == "final" or METRIC not in result:
            return str(TrialScheduler.CONTINUE)
        return self._decide(config["task"], config["run_id"], result)

    def _decide(self, task: str, run_id: str, result: dict[str, Any]) -> str:
        if result["epoch"] >= self._epochs:
            return str(TrialScheduler.CONTINUE)  # done, which the trial itself reports
        asha = self._by_task[task]
        run = SimpleNamespace(trial_id=run_id)  # all that ASHA asks of a trial
        asha.on_trial_add(None, run)
        return str(asha.on_trial_result(None, run, result))
