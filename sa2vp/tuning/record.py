"""Every run of a suite, in memory and, after each change, on disk.

The search's state is a function of this record: what Optuna knows, ASHA's rungs and what is left
to run are all derived from it, so that a search continues from its results alone.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sa2vp.training.checkpoint import COUNTERS_FILE
from sa2vp.tuning.rows import EpochRow, Phase, RunRow, Status
from sa2vp.tuning.store import ResultsStore

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


class RunRecord:
    """The runs of SA2VP on one suite; those of other methods are left alone.

    Args:
        store: where they are read from and written to.
        suite: whose runs.
    """

    def __init__(self, store: ResultsStore, suite: str) -> None:
        self._store = store
        self.runs = {
            row.run_id: row
            for row in store.read_runs()
            if (row.suite, row.method) == (suite, METHOD)
        }
        self.epochs = {run_id: store.read_epochs(run_id) for run_id in self.runs}

    def start(self, row: RunRow) -> None:
        """Add a run, or continue one that is already here."""
        self.runs.setdefault(row.run_id, row)
        self.epochs.setdefault(row.run_id, [])
        self._store.write_run(self.runs[row.run_id])

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
        for name in REPORTED:
            setattr(row, name, metrics[name])
        self._store.write_epochs(run_id, epochs)
        self._store.write_run(row)

    def finish(self, run_id: str, status: Status, reason: str | None = None) -> None:
        """Close a run."""
        row = self.runs[run_id]
        row.status, row.reason, row.finished_at = status, reason, datetime.now(UTC)
        self._store.write_run(row)

    def of(self, task: str, phase: Phase) -> list[RunRow]:
        """List a task's runs of one phase, in order of run_id."""
        rows = (row for row in self.runs.values() if (row.task, row.phase) == (task, phase))
        return sorted(rows, key=lambda row: row.run_id)

    def failed(self) -> list[RunRow]:
        """List the runs that failed."""
        return [row for row in self.runs.values() if row.status == "failed"]

    def best(self, task: str) -> RunRow | None:
        """Choose a task's setting by validation among the trials that ran to the end.

        Higher top-1 of the last epoch first, then lower validation loss, then fewer learned
        parameters. None where no trial was completed.
        """
        completed = [row for row in self.of(task, "search") if row.status == "completed"]
        return min(completed, key=self._rank, default=None)

    def set_aside(self, run_ids: list[str], folder: str) -> None:
        """Take runs out of the results, keeping their files in another folder."""
        self._store.set_aside(run_ids, folder)
        for run_id in run_ids:
            del self.runs[run_id], self.epochs[run_id]

    def newest_checkpoint(self, run_id: str, settings: dict[str, Any]) -> str | None:
        """Find where a run of these settings can continue: the URI of a checkpoint, or None."""
        newest: tuple[int, str] | None = None
        for name in self._store.find("tune", COUNTERS_FILE):
            if f"/{run_id}/" not in name:
                continue
            counters = json.loads(self._store.read_text(name) or "{}")
            if counters.get("settings") == settings:
                folder = f"{self._store.uri}/{name.removesuffix(f'/{COUNTERS_FILE}')}"
                newest = max(newest or (0, ""), (counters["epoch"], folder))
        return newest[1] if newest else None

    def _rank(self, row: RunRow) -> tuple[float, float, int, str]:
        return (
            -(row.last_val_top1 or 0.0),
            self.epochs[row.run_id][-1].val_loss or 0.0,
            row.trainable_params or 0,
            row.run_id,
        )
