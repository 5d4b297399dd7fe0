"""Every run of a suite, in memory and, after each change, on disk.

The search's state is a function of this record: what Optuna knows, ASHA's rungs and what is left
to run are all derived from it, so that a search continues from its results alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, NoReturn

from sa2vp.training.checkpoint import ARRAYS_BYTES, ARRAYS_FILE, COUNTERS_FILE
from sa2vp.tuning.rows import EpochRow, Phase, RunRow, Status
from sa2vp.tuning.store import ResultsStore, StoreError

METHOD = "sa2vp"
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

PREDICTIONS = ("test_targets", "test_predicted")
"""What the last report of a final run adds: the class of each test image, its own and predicted."""


class RunRecord:
    """The runs of SA2VP on one suite; those of other methods are left alone.

    Args:
        store: where they are read from and written to.
        suite: whose runs.

    Attributes:
        runs: by run_id.
        epochs: of each run, by run_id.
        lost: why the results can no longer be written, once they cannot. From then on nothing is,
            so that what stands on disk is what stood there at one moment.
    """

    def __init__(self, store: ResultsStore, suite: str) -> None:
        self._store = store
        self.lost: StoreError | None = None
        with store.hold_files(reading=True):
            self.runs = {
                row.run_id: row
                for row in store.read_runs()
                if (row.suite, row.method) == (suite, METHOD)
            }
            epochs = store.read_epochs_of(list(self.runs))
        self.epochs = {
            # The row is written last: an epoch that it does not count is trained again.
            run_id: [e for e in epochs[run_id] if e.epoch <= row.epochs_done]
            for run_id, row in self.runs.items()
        }

    def check_epochs(self) -> None:
        """Refuse to go on without the epochs that a search is continued from.

        Raises:
            StoreError: names the file that is lost.
        """
        for run_id, row in self.runs.items():
            if len(self.epochs[run_id]) < max(row.epochs_done, row.status == "completed"):
                raise StoreError(
                    f"{self._store.uri}/epochs/{run_id}.parquet is lost or incomplete; put it "
                    "back, or start over with --fresh"
                )

    def start(self, row: RunRow) -> None:
        """Add a run, or continue one that is already here."""
        self.runs.setdefault(row.run_id, row)
        self.epochs.setdefault(row.run_id, [])
        self._enter(lambda: self._store.write_run(self.runs[row.run_id]))

    def report(self, run_id: str, metrics: dict[str, Any]) -> None:
        """Add an epoch; one that was trained again from a checkpoint replaces its row."""
        row = self.runs[run_id]
        epoch = EpochRow.from_metrics(run_id, metrics)
        epochs = [e for e in self.epochs[run_id] if e.epoch < epoch.epoch] + [epoch]
        self.epochs[run_id] = epochs
        row.epochs_done = epoch.epoch
        row.last_val_top1 = epoch.val_top1
        validated = [e.val_top1 for e in epochs if e.val_top1 is not None]
        row.best_val_top1 = max(validated, default=None)
        row.seconds = sum(e.seconds for e in epochs)
        tested = [e.test_top1 for e in epochs if e.test_top1 is not None]
        if tested:
            row.best_epoch_test_top1 = max(tested)
        if row.epochs_done == row.epochs_planned:
            row.test_top1 = epoch.test_top1
            if row.expected_test_top1 is not None:
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

    def close(self, run_id: str) -> None:
        """Close a run that has ended by itself or was stopped."""
        row = self.runs[run_id]
        if row.epochs_done < row.epochs_planned:
            reason = f"below ASHA's cutoff of the other trials at epoch {row.epochs_done}"
            self.finish(run_id, "stopped", reason)
        else:
            self.finish(run_id, "completed")

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

    def failed(self) -> list[RunRow]:
        """List the runs that failed."""
        return [row for row in self.runs.values() if row.status == "failed"]

    def retry_failed(self) -> int:
        """Take failed runs up again, from their checkpoints where they have some; count them."""
        failed = self.failed()
        for row in failed:
            row.status, row.reason, row.finished_at = "running", None, None
        return len(failed)

    def best(self, task: str, confirm: int = 0) -> RunRow | None:
        """Choose a task's setting by validation among the trials that ran to the end.

        Higher top-1 of the last epoch first, then lower validation loss, then fewer learned
        parameters. None where no trial was completed.

        Args:
            task: whose trials.
            confirm: of that many trials, the best by themselves, the means over the trial and the
                runs that confirm its setting decide.
        """
        ranked = self.ranked(task)
        if confirm == 0 or not ranked:
            return next(iter(ranked), None)
        return min(ranked[:confirm], key=self._mean_rank)

    def ranked(self, task: str) -> list[RunRow]:
        """List a task's trials that ran to the end, the best first."""
        completed = [row for row in self.of(task, "search") if row.status == "completed"]
        return sorted(completed, key=self._rank)

    def set_aside(self, run_ids: list[str], folder: str) -> None:
        """Take runs out of the results, keeping their files in another folder."""
        self._store.set_aside(run_ids, folder)
        for run_id in run_ids:
            del self.runs[run_id], self.epochs[run_id]

    def newest_checkpoint(self, run_id: str, settings: dict[str, Any]) -> str | None:
        """Find where a run of these settings can continue: the URI of a checkpoint, or None.

        A checkpoint of an epoch that was not recorded is passed over, or that row would be missing;
        and so is one that was copied in part, when a worker was killed or a disk was full.
        """
        done = self.runs[run_id].epochs_done
        newest: tuple[int, str] | None = None
        for name in self._store.find("tune", COUNTERS_FILE):
            if f"/{run_id}/" not in name:
                continue
            counters = self._counters_of(name)
            if counters.get("settings") == settings and counters["epoch"] <= done:
                folder = f"{self._store.uri}/{name.removesuffix(f'/{COUNTERS_FILE}')}"
                newest = max(newest or (0, ""), (counters["epoch"], folder))
        return newest[1] if newest else None

    def _counters_of(self, name: str) -> dict[str, Any]:
        """Read a checkpoint's counters; empty where it is not whole."""
        arrays = f"{name.removesuffix(COUNTERS_FILE)}{ARRAYS_FILE}"
        try:
            counters: dict[str, Any] = json.loads(self._store.read_text(name) or "{}")
        except ValueError:  # also of bytes that are no text
            return {}
        size = self._store.size(arrays)
        return counters if counters.get(ARRAYS_BYTES, size) == size is not None else {}

    def _mean_rank(self, trial: RunRow) -> tuple[float, float, int, str]:
        """Rank a trial by itself and the completed runs of the same setting."""
        confirming = self.of(trial.task, "confirm")
        same = [r for r in confirming if r.setting == trial.setting and r.status == "completed"]
        accuracies, losses, sizes, _ = zip(*(self._rank(r) for r in (trial, *same)), strict=True)
        return fmean(accuracies), fmean(losses), sizes[0], trial.run_id

    def _rank(self, row: RunRow) -> tuple[float, float, int, str]:
        return (
            -(row.last_val_top1 or 0.0),
            self.epochs[row.run_id][-1].val_loss or 0.0,
            row.trainable_params or 0,
            row.run_id,
        )
