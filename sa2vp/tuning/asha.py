"""ASHA for every task of a suite, on the project's own epoch count, rebuilt from results."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from sa2vp.results.names import trial_number
from sa2vp.results.schema import EpochRow
from sa2vp.rungs import REDUCTION_FACTOR, grace_epochs
from sa2vp.tuning.task_search import METRIC


class PerTaskASHA(FIFOScheduler):
    """One ASHA per task; confirming and final runs are never stopped.

    Ray's scheduler compares all trials of an experiment with each other and forgets its rungs
    when a search is continued. Here accuracies of different tasks are never compared, and the
    rungs are filled again from the recorded epochs. Runs are known by their run_id, so that a
    continued run takes part once.

    Args:
        tasks: names.
        epochs: of a trial that is not stopped.
        grace: epochs before the first decision; None for :func:`grace_epochs`.
        reduction_factor: of the trials that reach a decision, one in so many goes on.
        brackets: trials take turns in so many, of which each begins a rung later than the one
            before. Trials of different brackets are not compared.
    """

    def __init__(
        self,
        tasks: Iterable[str],
        epochs: int,
        grace: int | None = None,
        reduction_factor: float = REDUCTION_FACTOR,
        brackets: int = 1,
    ) -> None:
        super().__init__()
        self._epochs = epochs
        first = grace or grace_epochs(epochs)
        self._stopped: dict[str, int] = {}  # after which epoch, by run_id
        self._brackets = {
            task: [
                ASHAScheduler(
                    time_attr="epoch",
                    metric=METRIC,
                    mode="max",
                    max_t=epochs,
                    grace_period=min(epochs, first * reduction_factor**bracket),
                    reduction_factor=reduction_factor,
                )
                for bracket in range(brackets)
            ]
            for task in tasks
        }

    def replay(self, task: str, epochs: Iterable[EpochRow]) -> None:
        """Enter the epochs of a recorded search run into its task's rungs.

        Nothing is decided on them again: what was decided stands in the record.
        """
        for row in epochs:
            self._decide(task, row.run_id, {"epoch": row.epoch, METRIC: row.val_top1})
            if row.decision == "stop":
                self._stopped[row.run_id] = row.epoch
            else:
                self._stopped.pop(row.run_id, None)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide whether a search trial goes on."""
        del tune_controller
        config = trial.config
        if config["phase"] != "search" or METRIC not in result:
            return str(TrialScheduler.CONTINUE)
        return self._decide(config["task"], config["run_id"], result)

    def reason(self, run_id: str) -> str:
        """Say why a trial was stopped."""
        return f"below ASHA's cutoff of the other trials at epoch {self._stopped[run_id]}"

    def _decide(self, task: str, run_id: str, result: dict[str, Any]) -> str:
        if result["epoch"] >= self._epochs:
            return str(TrialScheduler.CONTINUE)  # done, which the trial itself reports
        brackets = self._brackets[task]
        asha = brackets[trial_number(run_id) % len(brackets)]
        run = SimpleNamespace(trial_id=run_id)  # all that ASHA asks of a trial
        asha.on_trial_add(None, run)
        decision = str(asha.on_trial_result(None, run, result))
        # An epoch is trained again where its worker was lost before its checkpoint was there.
        if decision == TrialScheduler.STOP:
            self._stopped.setdefault(run_id, result["epoch"])
        stops = result["epoch"] >= self._stopped.get(run_id, math.inf)
        return str(TrialScheduler.STOP) if stops else decision
