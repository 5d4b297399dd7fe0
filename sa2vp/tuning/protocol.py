"""The honest protocol as one stream of runs: search each task, then retrain its best."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count
from typing import Any

from ray.tune.search import Searcher

from sa2vp.data.fingerprint import Manifest
from sa2vp.forecast.decisions import New
from sa2vp.results.names import make_run_id, trial_number
from sa2vp.results.schema import Phase, RunRow, hyperparameter_columns
from sa2vp.results.store import superseded_folder
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.provenance import gather_provenance
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.task_search import TaskSearch
from sa2vp.tuning.trainable import threads_for
from search_spaces import Value


class ProtocolSearcher(Searcher):
    """Hands Tune one run after another until the plan is done.

    A task's trials come first. Once all of them have ended, the best configuration by validation is
    retrained with each seed, and only these final runs read the test split. While a task waits for
    its last trials, the next task begins, so that no slot of the cluster stays empty.

    Args:
        plan: what to do.
        record: what is done; runs that an earlier session left ``running`` are continued.
        searches: of the tasks.
        manifests: of each task's data, which every run has to find.
        resources: of each worker of a run, by Ray's names.
        slots: tells how many runs fit the cluster now.
        precision: that every run computes in.

    Attributes:
        finished: whether nothing of the plan was left to run when Tune last asked.
    """

    def __init__(
        self,
        plan: SearchPlan,
        record: RunRecord,
        searches: Mapping[str, TaskSearch],
        manifests: Mapping[str, Manifest],
        resources: dict[str, float],
        slots: Callable[[], int],
        precision: str,
    ) -> None:
        super().__init__()
        self._plan, self._config = plan, plan.config
        self._record = record
        self._manifests = manifests
        self._resources = resources
        self._slots = slots
        self._precision = precision
        self._live: dict[str, str] = {}  # Tune's trial id -> run id
        self.finished = False
        self._searches = searches

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Give the next run's configuration, None to wait, or ``FINISHED``."""
        if len(self._live) >= self._slots():
            return None
        row = self._next()
        if row is None:
            self.finished = not self._live
            return str(Searcher.FINISHED) if self.finished else None
        self._live[trial_id] = row.run_id
        self._record.start(row)
        return self._configuration(row)

    def _next(self) -> RunRow | None:
        for task in self._tasks_in_turn():
            new = self._next_trial(task) or self._next_confirmation(task) or self._next_final(task)
            if new is not None:
                return new
        return None

    def _tasks_in_turn(self) -> list[str]:
        """List the tasks, those with the fewest runs under way first, else in the plan's order.

        A task of long epochs that comes early so leaves places for the others, and the fewer trials
        of a task run side by side, the more TPE knows before it suggests the next.
        """
        live = Counter(self._record.runs[run_id].task for run_id in self._live.values())
        return sorted(self._plan.tasks, key=lambda task: live[task])

    def _next_trial(self, task: str) -> RunRow | None:
        """Continue an interrupted trial, or start a new one, or go on with a stopped one."""
        trials = self._record.of(task, "search")
        for row in self._interrupted(trials):
            return row
        limit = self._config.limit
        if limit is not None and limit.is_spent(trials):
            return None
        known = {trial_number(row.run_id): row for row in trials}
        # The number of a trial whose row was lost is free again, and names another run from now on.
        free = next(number for number in count() if number not in known)
        found = self._searches[task].next(free if len(trials) < self._config.trials else None)
        if found is None:
            return None
        if isinstance(found, New):
            return self._row(task, "search", found.configuration, self._config.seed, number=free)
        row = known[found.number]
        self._record.go_on(row)
        return row

    def _next_confirmation(self, task: str) -> RunRow | None:
        """Continue or start a run that repeats one of the best trials, once all have ended."""
        if self._is_running(task, "search"):
            return None
        self._set_strays_aside(task)
        runs = self._record.of(task, "confirm")
        for row in self._interrupted(runs):
            return row
        if len(runs) >= self._config.confirm:
            return None
        trial = self._searches[task].to_repeat()
        if trial is None:
            return None
        tried = {row.seed for row in runs if row.configuration == trial.configuration}
        seed = next(seed for seed in count(self._config.seed + 1) if seed not in tried)
        number = trial_number(trial.run_id)
        return self._row(task, "confirm", trial.configuration, seed, number=number)

    def _set_strays_aside(self, task: str) -> None:
        """Set aside what confirms a trial whose row was lost, and whose number names another."""
        trials = {
            trial_number(row.run_id): row.configuration for row in self._record.of(task, "search")
        }
        strays = [
            row.run_id
            for row in self._record.of(task, "confirm")
            if trials.get(trial_number(row.run_id)) != row.configuration
        ]
        if strays:
            self._record.set_aside(strays, superseded_folder())

    def _is_running(self, task: str, phase: Phase) -> bool:
        return any(row.status == "running" for row in self._record.of(task, phase))

    def _next_final(self, task: str) -> RunRow | None:
        """Continue or start a final run, once the task's configuration is chosen."""
        chosen = self._chosen_configuration(task)
        if chosen is None or self._is_running(task, "search") or self._is_running(task, "confirm"):
            return None
        finals = self._record.of(task, "final")
        outdated = [row.run_id for row in finals if row.configuration != chosen]
        if outdated:  # a finished search was extended, and found a better one
            self._record.set_aside(outdated, superseded_folder())
        finals = self._record.of(task, "final")
        for row in self._interrupted(finals):
            return row
        for seed in self._plan.final_seeds:
            if all(row.seed != seed for row in finals):
                return self._row(task, "final", chosen, seed)
        return None

    def _chosen_configuration(self, task: str) -> dict[str, Value] | None:
        """Give what is to be retrained: the recipe's, or the best; None before there is one."""
        if self._plan.recipe is not None:
            return dict(self._plan.recipe.configuration)
        best = self._record.best(task)
        return None if best is None else best.configuration

    def _interrupted(self, rows: Sequence[RunRow]) -> list[RunRow]:
        """List the runs that are not finished and that no actor of this session trains."""
        live = self._live.values()
        return [row for row in rows if row.status == "running" and row.run_id not in live]

    def _row(
        self,
        task: str,
        phase: Phase,
        configuration: Mapping[str, Value],
        seed: int,
        *,
        number: int = 0,
    ) -> RunRow:
        provenance = gather_provenance()
        return RunRow(
            run_id=make_run_id(
                self._config.suite, task, phase, number, seed, method=self._plan.method.name
            ),
            uid=uuid.uuid4().hex,
            suite=self._config.suite,
            task=task,
            backbone=self._config.backbone,
            method=self._plan.method.name,
            phase=phase,
            **hyperparameter_columns({**self._plan.fixed, **configuration}, configuration),
            epochs_planned=self._config.epochs,
            seed=seed,
            expected_test_top1=self._plan.recipe.test_top1[seed] if self._plan.recipe else None,
            status="running",
            workers=self._config.workers_per_trial,
            data_fingerprint=self._manifests[task].fingerprint,
            versions=provenance.versions,
            commit=provenance.commit,
            started_at=datetime.now(UTC),
        )

    def _configuration(self, row: RunRow) -> dict[str, Any]:
        return {
            "run_id": row.run_id,
            "identity": {"uid": row.uid, "data": row.data_fingerprint},
            "start": row.starts,
            "task": row.task,
            "task_row": asdict(self._plan.task_row(row.task)),
            "data": asdict(self._plan.data),
            "manifest": asdict(self._manifests[row.task]),
            "phase": row.phase,
            "precision": self._precision,
            "test_every": self._config.test_every,
            "workers": self._config.workers_per_trial,
            "threads": threads_for(self._resources["CPU"]),
            "resources": self._resources,
            "method": asdict(self._plan.method_source),
            "hyperparameters": row.values,
            "epochs": row.epochs_planned,
            "seed": row.seed,
            "checkpoints": self._record.checkpoints(row) if row.epochs_done else [],
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Free a run's slot."""
        del result, error
        self._live.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the results are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the results are the state."""
