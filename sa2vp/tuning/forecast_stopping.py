"""Stops trials that the model gives no chance; the search may go on with them later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sa2vp.results.schema import EpochRow
from sa2vp.tuning.task_search import METRIC, TaskSearch


class ForecastScheduler(FIFOScheduler):
    """After every epoch, stops a trial whose chance to beat the best of its task is small.

    Ray's ASHA compares trials at the same epoch. Here a model foretells what each will reach, so
    that one is stopped as soon as its chance is gone, and goes on from its checkpoint once it
    promises more than a new one: the promotions of asynchronous successive halving (Li et al. 2020,
    arXiv:1810.05934). Confirming and final runs are never stopped.

    Args:
        searches: by task.
    """

    def __init__(self, searches: Mapping[str, TaskSearch]) -> None:
        super().__init__()
        self._searches = searches
        self._reasons: dict[str, str] = {}

    def replay(self, task: str, epochs: Iterable[EpochRow]) -> None:
        """Do nothing with recorded epochs: every decision reads them from the record."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide whether a search trial goes on."""
        del tune_controller
        config = trial.config
        last = result["epochs_planned"] == result.get("epoch")
        if config["phase"] != "search" or METRIC not in result or last:
            return str(TrialScheduler.CONTINUE)
        search = self._searches[config["task"]]
        verdict = search.judge(config["run_id"], result["epoch"], result[METRIC])
        if not verdict.stop:
            return str(TrialScheduler.CONTINUE)
        self._reasons[config["run_id"]] = f"{verdict} after epoch {result['epoch']}"
        return str(TrialScheduler.STOP)

    def reason(self, run_id: str) -> str:
        """Say why a trial was stopped."""
        return self._reasons[run_id]
