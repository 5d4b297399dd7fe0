"""What Tune reports, entered into the record as it happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray.tune import Callback

from sa2vp.disk_errors import is_refusal
from sa2vp.results.schema import Decision
from sa2vp.results.store import StoreError
from sa2vp.tuning.record import PREDICTIONS, RunRecord
from sa2vp.tuning.task_search import METRIC

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_RAISED = re.compile(r"[\w.]+(Error|Exception): ")


class RecordRuns(Callback):
    """Writes every epoch and every end of a run to the results.

    Args:
        record: where they are written.
        changed: called after each entry, for the progress display.
        why_stopped: says why a trial was stopped, by its run_id.
    """

    def __init__(
        self, record: RunRecord, changed: Callable[[], None], why_stopped: Callable[[str], str]
    ) -> None:
        self._record = record
        self._changed = changed
        self._why_stopped = why_stopped

    def __getstate__(self) -> dict[str, Any]:
        """Leave the terminal out: Tune pickles its callbacks, for a way back that is not ours."""
        return {"_record": self._record, "_changed": None, "_why_stopped": None}

    def on_trial_result(self, *_: Any, trial: Any, result: dict[str, Any], **__: Any) -> None:
        """Enter an epoch."""
        if METRIC in result:
            run_id = trial.config["run_id"]
            decision: Decision | None = None
            reason = None
            if trial.config["phase"] == "search" and result["epoch"] < result["epochs_planned"]:
                # Tune asks the scheduler first, and marks the result of a trial that it stopped.
                decision = "stop" if result.get("done") else "continue"
                reason = self._why_stopped(run_id) if decision == "stop" else None
            self._record.report(run_id, result, decision, reason)
            self._changed()

    def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
        """Enter the end of a run that did not raise an error."""
        run_id, result = trial.config["run_id"], trial.last_result or {}
        for name in PREDICTIONS:  # Tune would write them into its state again and again
            result.pop(name, None)
        if "failure" in result:
            self._record.finish(run_id, "failed", result["failure"])
        else:
            self._record.close(run_id)
        self._changed()

    def on_trial_error(self, *_: Any, trial: Any, **__: Any) -> None:
        """Enter the end of a run that raised, with its error in one line.

        A run that met a disk that refuses has not failed: it goes on once the disk does not.
        """
        error = _error_of(trial)
        reason = describe_error(error)
        if is_refusal(error):
            run_id = trial.config["run_id"]
            self._record.lose(StoreError(f"a disk refuses what {run_id} asks of it: {reason}"))
        self._record.finish(trial.config["run_id"], "failed", reason)
        self._changed()


def _error_of(trial: Any) -> BaseException:
    """Read what a run raised from the results, or, where no copy of it came there, from here."""
    with suppress(Exception):  # a disk that refuses, and what half a pickle ends in
        found = trial.get_pickled_error()
        if isinstance(found, BaseException):
            return found
    try:
        return RuntimeError(Path(trial.error_file).read_text())
    except OSError as error:
        return error


def describe_error(error: BaseException) -> str:
    """Put what a run raised into one line, out of Ray's wrappers and its coloured tracebacks."""
    cause = getattr(error, "cause", None) or error
    failures: dict[int, BaseException] = getattr(cause, "worker_failures", {})  # of Ray Train
    if not failures:
        return _in_one_line(cause)
    rank, failure = min(failures.items(), key=lambda one: one[0])
    return f"worker {rank}: {_in_one_line(failure)}"


def in_terms_of_disks(error: Exception) -> Exception:
    """Give one line for what came of a disk that refuses; any other error as it is."""
    return StoreError(f"a disk refuses: {describe_error(error)}") if is_refusal(error) else error


def _in_one_line(error: BaseException) -> str:
    lines = _COLOUR.sub("", str(error)).strip().splitlines() or [""]
    raised = [line for line in lines if _RAISED.match(line)]  # the ends of quoted tracebacks
    return raised[-1] if raised else f"{type(error).__name__}: {lines[0]}"
