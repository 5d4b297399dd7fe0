"""The trials of a search as Optuna studies on disk, which optuna-dashboard opens.

The studies are a copy for the eye: a search continues from its results alone. A file that cannot be
read, after a full disk, say, is made anew.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray.tune import Callback

from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.rows import RunRow
from sa2vp.tuning.session import study_file
from sa2vp.tuning.store import ResultsStore
from sa2vp.tuning.task_search import frozen_trial
from search_spaces import for_optuna


class KeepStudies(Callback):
    """Adds each trial that has ended to its task's study.

    Args:
        plan: of the search.
        record: of all runs; entered before this callback is told.
        store: the results; studies are kept on a local disk only.
    """

    def __init__(self, plan: SearchPlan, record: RunRecord, store: ResultsStore) -> None:
        self._record = record
        self._spaces = {task: for_optuna(plan.space(task).ranges) for task in plan.tasks}
        self._studies: dict[str, optuna.Study] = {}
        if store.local_folder is None:
            return
        path = store.local_folder / study_file(plan.suite)
        try:
            self._open(plan, path)
        except Exception:  # noqa: BLE001 - a damaged file ends in many kinds of errors
            path.unlink(missing_ok=True)
            self._open(plan, path)

    def _open(self, plan: SearchPlan, path: Path) -> None:
        """Open the studies, and add the trials that they lack."""
        storage = JournalStorage(JournalFileBackend(str(path)))
        for task in plan.tasks:
            self._studies[task] = optuna.create_study(
                storage=storage, study_name=f"{plan.suite}/{task}", direction="maximize",
                load_if_exists=True,
            )  # fmt: skip
            known = {trial.user_attrs.get("run_id") for trial in self._studies[task].trials}
            for row in self._record.of(task, "search"):
                if row.run_id not in known:
                    self._add(row)

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out: Tune pickles its callbacks, for a way back that is not ours."""
        return {}

    def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
        """Add a trial that ended by itself or was stopped."""
        self._add(self._record.runs[trial.config["run_id"]])

    def on_trial_error(self, *_: Any, trial: Any, **__: Any) -> None:
        """Add a trial that failed."""
        self._add(self._record.runs[trial.config["run_id"]])

    def _add(self, row: RunRow) -> None:
        if row.phase != "search" or row.status == "running" or row.task not in self._studies:
            return
        accuracies = [epoch.val_top1 or 0.0 for epoch in self._record.epochs[row.run_id]]
        trial = frozen_trial(self._spaces[row.task], row.setting, row.status, accuracies)
        trial.set_user_attr("run_id", row.run_id)
        with suppress(OSError):  # where the disk is full, the record says so
            self._studies[row.task].add_trial(trial)
