"""Every run of a suite, in memory and, after each change, on disk.

The search's state is a function of this record: what Optuna knows, ASHA's rungs and what is left
to run are all derived from it, so that a search continues from its results alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, NoReturn

from sa2vp.forecast.curves import Trial
from sa2vp.results.names import PLAIN_METHOD, trial_number
from sa2vp.results.ranking import Outcome, rank
from sa2vp.results.schema import Decision, EpochRow, Phase, RunRow, Status
from sa2vp.results.store import ResultsStore, StoreError, superseded_folder
from sa2vp.training.checkpoint import (
    ARRAYS_FILE,
    ARRAYS_SHA256,
    COUNTERS_FILE,
    CheckpointError,
    read_counters,
)

REPORTED = (
    "trainable_params",
    "backbone_params",
    "backbone_fingerprint",
    "peak_memory_gib",
    "micro_batch",
    "precision",
    "workers",
    "image_size",
)
"""Columns of a run that are known once it trains."""

ALIKE = ("precision", "backbone_fingerprint", "image_size")
"""Columns in which the runs of a suite may not differ, or their accuracies cannot be compared."""

PREDICTIONS = ("test_targets", "test_predicted")
"""What the last report of a final run adds: the class of each test image, its own and predicted."""


class RunRecord:
    """The runs of one method on one suite; those of others are left alone.

    Args:
        store: where they are read from and written to.
        suite: whose runs.
        method: likewise.

    Attributes:
        method: whose runs they are.
        runs: by run_id.
        epochs: of each run, by run_id.
        lost: why the results can no longer be written, once they cannot. From then on nothing is,
            so that what stands on disk is what stood there at one moment.
    """

    def __init__(self, store: ResultsStore, suite: str, method: str = PLAIN_METHOD) -> None:
        self._store, self.method = store, method
        self.lost: StoreError | None = None
        with store.hold_files(reading=True):
            self.runs = {
                row.run_id: row
                for row in store.read_runs()
                if (row.suite, row.method) == (suite, method)
            }
            epochs = store.read_epochs_of(list(self.runs))
        self._alike: dict[str, Any] = {}
        for row in self.runs.values():
            self._enter_alike({name: getattr(row, name) for name in ALIKE})
        self.epochs = {
            # The row is written last: an epoch that it does not count is trained again.
            run_id: [e for e in epochs[run_id] if e.epoch <= row.epochs_done]
            for run_id, row in self.runs.items()
        }

    def check_epochs(self, tasks: Collection[str]) -> None:
        """Refuse to go on without the epochs that a search is continued from.

        Args:
            tasks: that are searched.

        Raises:
            StoreError: names the file that is lost, and what to do.
        """
        for run_id, row in self.runs.items():
            done = max(row.epochs_done, row.status == "completed")
            if row.task in tasks and len(self.epochs[run_id]) < done:
                raise StoreError(
                    f"{self._store.uri}/epochs/{run_id}.parquet is lost or incomplete; put it "
                    f"back, or move runs/{run_id}.parquet away too: the run is then trained anew"
                )

    def start(self, row: RunRow) -> None:
        """Add a run, or continue one that is already here.

        Raises:
            RuntimeError: its run_id is another run's, or it has ended.
        """
        known = self.runs.get(row.run_id)
        if known is None:
            # What is left of a run whose row was lost would be taken for this one's.
            self._enter(lambda: self._store.set_aside([row.run_id], superseded_folder()))
            self.runs[row.run_id], self.epochs[row.run_id] = row, []
        elif known is not row:
            raise RuntimeError(f"{row.run_id} is there already, and is another run")
        elif row.status != "running":
            raise RuntimeError(f"{row.run_id} has ended: it is {row.status}")
        row.starts += 1
        self._enter(lambda: self._store.write_run(row))

    def report(
        self,
        run_id: str,
        metrics: dict[str, Any],
        decision: Decision | None = None,
        reason: str | None = None,
    ) -> None:
        """Add an epoch; one that was trained again from a checkpoint replaces its row.

        Args:
            run_id: of the run.
            metrics: that its worker reported.
            decision: what the scheduler made of them.
            reason: why it stops the run.
        """
        row = self.runs[run_id]
        self._refuse_unlike(run_id, metrics)
        epoch = EpochRow.from_metrics(run_id, metrics)
        epoch.decision, epoch.reason = decision, reason
        epochs = [e for e in self.epochs[run_id] if e.epoch < epoch.epoch] + [epoch]
        self.epochs[run_id] = epochs
        _enter_versions(row, metrics["versions"], metrics["commit"], epoch.epoch - 1)
        row.sum_up(epochs, metrics.get("test_top1_at_best_val"))
        if row.test_top1 is not None and row.expected_test_top1 is not None:
            row.matched = row.test_top1 == row.expected_test_top1
        for name in REPORTED:
            setattr(row, name, metrics[name])
        if all(name in metrics for name in PREDICTIONS):
            classes = [metrics[name] for name in PREDICTIONS]
            self._enter(lambda: self._store.write_predictions(run_id, *classes))
        self._enter(lambda: self._store.write_epochs(run_id, epochs))
        self._enter(lambda: self._store.write_run(row))  # last: it says what the others hold

    def finish(self, run_id: str, status: Status, reason: str | None = None) -> None:
        """Close a run."""
        row = self.runs[run_id]
        row.status, row.reason, row.finished_at = status, reason, datetime.now(UTC)
        self._enter(lambda: self._store.write_run(row))

    def go_on(self, row: RunRow) -> None:
        """Take a stopped trial up again, which is then started as one that was interrupted."""
        epochs = self.epochs[row.run_id]
        epochs[-1].decision, epochs[-1].reason = "continue", None
        row.status, row.reason, row.finished_at = "running", None, None
        self._enter(lambda: self._store.write_epochs(row.run_id, epochs))

    def close(self, run_id: str) -> None:
        """Close a run that has ended by itself or was stopped."""
        row = self.runs[run_id]
        if row.phase == "final":
            # Tune has copied its weights, and left it to the system when they reach the disk.
            self._enter(lambda: self._sync_weights(row))
        if row.epochs_done < row.epochs_planned:
            epochs = self.epochs[run_id]
            self.finish(run_id, "stopped", epochs[-1].reason if epochs else None)
        else:
            self.finish(run_id, "completed")

    def _enter_alike(self, known: dict[str, Any]) -> None:
        for name, value in known.items():
            if value is not None:
                self._alike.setdefault(name, value)

    def _refuse_unlike(self, run_id: str, metrics: dict[str, Any]) -> None:
        """End the search before an epoch is entered that cannot be compared with the others."""
        for name in ALIKE:
            expected = self._alike.get(name, metrics[name])
            if metrics[name] != expected:
                self.lose(
                    StoreError(
                        f"{run_id} was trained with {name} {metrics[name]}, the runs before it "
                        f"with {expected}: nothing of it was entered"
                    )
                )
        self._enter_alike({name: metrics[name] for name in ALIKE})

    def lose(self, error: StoreError) -> NoReturn:
        """Write nothing more, for a reason."""
        self.lost = self.lost or error
        raise self.lost

    def _enter(self, write: Callable[[], None]) -> None:
        """Write something, unless an earlier write has failed."""
        if self.lost is not None:
            raise self.lost
        try:
            write()
        except StoreError as error:
            self.lose(error)

    def of(self, task: str, phase: Phase) -> list[RunRow]:
        """List a task's runs of one phase, in order of run_id."""
        rows = (row for row in self.runs.values() if (row.task, row.phase) == (task, phase))
        return sorted(rows, key=lambda row: row.run_id)

    def trial(self, row: RunRow, epochs: int | None = None) -> Trial:
        """Give a search run as a trial: as it stands, or with its first epochs alone."""
        known = self.epochs[row.run_id][:epochs]
        accuracies = tuple(epoch.val_top1 or 0.0 for epoch in known)
        return Trial(trial_number(row.run_id), row.configuration, accuracies, row.status)

    def failed(self) -> list[RunRow]:
        """List the runs that failed."""
        return [row for row in self.runs.values() if row.status == "failed"]

    def retry_failed(self, tasks: Collection[str]) -> int:
        """Take tasks' failed runs up again, from checkpoints if they have some; count them."""
        failed = [row for row in self.failed() if row.task in tasks]
        for row in failed:
            row.status, row.reason, row.finished_at = "running", None, None
        return len(failed)

    def is_chosen_from(self, task: str) -> bool:
        """Tell whether a run confirms or repeats the choice among a task's trials."""
        return bool(self.of(task, "confirm") or self.of(task, "final"))

    def best(self, task: str) -> RunRow | None:
        """Choose a task's trial by validation, with the runs that repeat it; None before one ended.

        :func:`~sa2vp.results.ranking.rank` says how.
        """
        return next(iter(self._rank([*self.of(task, "search"), *self.of(task, "confirm")])), None)

    def ranked(self, task: str) -> list[RunRow]:
        """List a task's trials that ran to the end, the best by themselves first."""
        return self._rank(self.of(task, "search"))

    def _rank(self, rows: Iterable[RunRow]) -> list[RunRow]:
        return [self.runs[run_id] for run_id in rank(_outcome(row) for row in rows)]

    def set_aside(self, run_ids: list[str], folder: str) -> None:
        """Take runs out of the results, keeping their files in another folder."""
        self._enter(lambda: self._store.set_aside(run_ids, folder))
        for run_id in run_ids:
            del self.runs[run_id], self.epochs[run_id]

    def checkpoints(self, row: RunRow) -> list[str]:
        """List the URIs of a run's checkpoints, the one to continue from first.

        Whether a checkpoint is whole shows when it is loaded; then the next one counts. One of an
        epoch that was not recorded is left out, or that row would be missing.
        """
        return [f"{self._store.uri}/{folder}" for folder, _ in self._checkpoints(row)]

    def has_weights(self, row: RunRow) -> bool:
        """Tell whether a whole checkpoint of a run's last planned epoch is there."""
        return any(
            self._store.sha256(f"{folder}/{ARRAYS_FILE}") == counters[ARRAYS_SHA256]
            for folder, counters in self._checkpoints(row)
            if counters["epoch"] == row.epochs_planned
        )

    def _sync_weights(self, row: RunRow) -> None:
        for folder, _ in self._checkpoints(row)[:1]:
            self._store.sync(folder)

    def _checkpoints(self, row: RunRow) -> list[tuple[str, dict[str, Any]]]:
        """List a run's checkpoints, as :meth:`checkpoints`: each folder and what it counts."""
        found = []
        for name in self._store.find("tune", COUNTERS_FILE):
            if f"/{row.run_id}/" not in name:
                continue
            counters = self._counters_of(name)
            if counters is None or counters["run"].get("uid") != row.uid:
                continue
            if counters["epoch"] <= row.epochs_done:
                found.append((name.removesuffix(f"/{COUNTERS_FILE}"), counters))
        return sorted(
            found, key=lambda one: (one[1]["epoch"], one[1]["start"], one[0]), reverse=True
        )

    def _counters_of(self, name: str) -> dict[str, Any] | None:
        """Read a checkpoint's counters; None where they are damaged."""
        try:
            return read_counters(self._store.read_text(name) or "")
        except (CheckpointError, UnicodeDecodeError):
            return None


def _outcome(row: RunRow) -> Outcome:
    return Outcome(
        run_id=row.run_id,
        phase=row.phase,
        configuration=tuple(row.configuration.items()),
        status=row.status,
        val_top1=row.last_val_top1,
        val_loss=row.last_val_loss,
        trainable_params=row.trainable_params,
    )


def _enter_versions(row: RunRow, versions: str, commit: str | None, done: int) -> None:
    """Note what a run's next epoch was trained with, and what those before it were."""
    if done and (row.versions, row.commit) != (versions, commit):
        earlier = json.loads(row.earlier_versions or "[]")
        earlier.append(
            {"until_epoch": done, "commit": row.commit, "versions": json.loads(row.versions)}
        )
        row.earlier_versions = json.dumps(earlier)
    row.versions, row.commit = versions, commit
