"""The trials of a search as Optuna studies on disk, which optuna-dashboard opens.

The studies are a copy for the eye: a search continues from its results alone. A file that cannot be
read, or says something else than the results do, is made anew.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from ray.tune import Callback

from sa2vp.forecast.curves import Trial
from sa2vp.results.schema import RunRow
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import study_file
from sa2vp.tuning.task_search import frozen_trial

LOCK_FILE_SUFFIX = ".lock"
"""By Optuna's convention."""


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
        path = store.local_folder / study_file(plan.search_name)
        # Of a search that was killed; this one holds the results, and Optuna would wait for it.
        path.with_name(f"{path.name}{LOCK_FILE_SUFFIX}").unlink(missing_ok=True)
        try:
            self._open(plan, path)
        except Exception:  # noqa: BLE001 - a damaged file ends in many kinds of errors
            path.unlink(missing_ok=True)
            self._open(plan, path)

    def _open(self, plan: SearchPlan, path: Path) -> None:
        """Open the studies, and add the trials that they lack.

        Raises:
            ValueError: they hold what the results do not.
        """
        storage = JournalStorage(JournalFileBackend(str(path)))
        for task in plan.tasks:
            self._studies[task] = optuna.create_study(
                storage=storage, study_name=f"{plan.search_name}/{task}", direction="maximize",
                load_if_exists=True,
            )  # fmt: skip
            ended = {
                row.run_id: self._trial(row)
                for row in self._record.of(task, "search")
                if row.status != "running"
            }
            study = self._studies[task]
            for trial in study.trials:
                run_id = trial.user_attrs.get("run_id", "")
                if run_id in ended and _content(trial) == _content(ended[run_id]):
                    del ended[run_id]
                elif not self._is_earlier_stop(trial, run_id):
                    raise ValueError(f"trial {trial.number} is not what the results hold")
            if study.direction != StudyDirection.MAXIMIZE:
                raise ValueError(f"direction {study.direction}")
            study.add_trials(ended.values())

    def _is_earlier_stop(self, trial: FrozenTrial, run_id: str) -> bool:
        """Tell whether a trial was stopped and its run has gone on: the study has it twice then."""
        row = self._record.runs.get(run_id)
        if row is None or trial.state != TrialState.PRUNED:
            return False
        epochs = len(trial.intermediate_values)
        then = replace(self._record.trial(row, epochs), state="stopped")
        return row.epochs_done > epochs and _content(trial) == _content(self._frozen(row, then))

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
        with suppress(Exception):  # a copy is not worth a search; the next one makes it anew
            self._studies[row.task].add_trial(self._trial(row))

    def _trial(self, row: RunRow) -> FrozenTrial:
        """Give a run that has ended as Optuna's trial."""
        return self._frozen(row, self._record.trial(row))

    def _frozen(self, row: RunRow, known: Trial) -> FrozenTrial:
        trial = frozen_trial(self._spaces[row.task], known)
        trial.set_user_attr("run_id", row.run_id)
        return trial


def _content(trial: FrozenTrial) -> tuple[Any, ...]:
    """Give what a trial says of its run."""
    return (
        trial.state, trial.values, trial.params, trial.distributions, trial.intermediate_values,
        trial.user_attrs,
    )  # fmt: skip
