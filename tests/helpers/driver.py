"""Plays the part of Tune, and of the command line, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ray.tune.search import Searcher
from rows import metrics

from sa2vp.data.fingerprint import Manifest
from sa2vp.results.schema import Decision
from sa2vp.results.store import ResultsStore
from sa2vp.training.checkpoint import Checkpoint
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.task_search import make_searches
from sa2vp.tuning.tuner import Stopping, make_scheduler

TASKS = ("digits", "location", "orientation")


def plan_data(contents: str = "same") -> PlanData:
    split = {"images": 320, "labels": "same", "contents": contents}
    manifests = {task: Manifest({"train": split}) for task in TASKS}
    images = {task: {"train": 320, "val": 200, "test": 400} for task in TASKS}
    return PlanData(manifests, {task: ["0", "1"] for task in TASKS}, images)


DATA = plan_data()


def options_of(results: Path, **changes: Any) -> SearchPlan:
    return make_plan(suite="demo", results=str(results), **({"epochs": 10} | changes))


class Driver:
    """Plays Tune's part: asks for runs, reports their epochs and their ends."""

    def __init__(self, results: Path, *, slots: int = 1, **options: Any) -> None:
        self.plan = options_of(results, **options)
        self.store = ResultsStore(str(results))
        self.record = RunRecord(self.store, "demo", self.plan.method.name)
        self.searches = make_searches(self.plan, self.record, DATA.images)
        self.searcher = ProtocolSearcher(
            self.plan,
            self.record,
            self.searches,
            DATA.manifests,
            {"CPU": 1.0},
            lambda: slots,
            "float32",
        )
        self.scheduler = self.make_scheduler()
        self.ids: dict[str, str] = {}
        self.configs: dict[str, Any] = {}

    def make_scheduler(self) -> Stopping:
        return make_scheduler(self.plan, self.record, self.searches)

    def ask(self) -> Any:
        trial_id = f"tune-{len(self.ids)}"
        config = self.searcher.suggest(trial_id)
        if isinstance(config, dict):
            self.ids[config["run_id"]] = trial_id
            self.configs[config["run_id"]] = config
            return config
        return config

    def finish(self, run_id: str, val_top1: float, *, epochs: int = 10, **changes: Any) -> None:
        """Report a run's last epoch and its end."""
        result = metrics(epochs, val_top1, **changes)
        self.record.report(run_id, result)
        self.searcher.on_trial_complete(self.ids[run_id], result)
        self.record.finish(run_id, "completed" if epochs == 10 else "stopped")

    def fail(self, run_id: str) -> None:
        self.searcher.on_trial_complete(self.ids[run_id], None, error=True)
        self.record.finish(run_id, "failed", "lost")

    def run_all(self, accuracies: dict[str, float]) -> list[str]:
        """Run to the end; runs that are not named reach 50 percent."""
        order = []
        while isinstance(config := self.ask(), dict):
            order.append(config["run_id"])
            test = 40.0 if config["phase"] == "final" else None
            self.finish(config["run_id"], accuracies.get(config["run_id"], 50.0), test_top1=test)
        assert config == Searcher.FINISHED
        assert self.searcher.finished
        return order


DIGITS = {"tasks": "digits", "trials": 3, "seeds": 2}


TRIALS = [f"demo-digits-search-000{number}" for number in range(3)]


FINALS = ["demo-digits-final-seed1", "demo-digits-final-seed2"]


def reported(driver: Driver, epochs: int, top1: float, decision: Decision | None = None) -> str:
    """Start a trial and report so many epochs, without an end; a decision is on the last."""
    run_id = str(driver.ask()["run_id"])
    for epoch in range(1, epochs + 1):
        last = epoch == epochs
        driver.record.report(run_id, metrics(epoch, top1), decision if last else "continue")
    return run_id


def checkpoint_of(config: dict[str, Any], epoch: int, **changes: Any) -> Checkpoint:
    """What a run's worker saves after an epoch."""
    values = {
        "configuration": config["hyperparameters"],
        "run": config["identity"],
        "start": config["start"],
    }
    return Checkpoint({"learned/prompt": torch.zeros(9)}, epoch=epoch, step=1, **(values | changes))
