"""A disk that refuses ends the search; a run that has failed by itself does not."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayTaskError
from ray.tune.error import TuneError
from rows import run_row
from safetensors import SafetensorError

from sa2vp.disk_errors import is_refusal
from sa2vp.results.store import ResultsStore, StoreError
from sa2vp.tuning.callbacks import RecordRuns, in_terms_of_disks
from sa2vp.tuning.record import RunRecord

TEXTS = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EFBIG: "File too large",
    errno.EIO: "Input/output error",
    errno.EROFS: "Read-only file system",
}
RUN = "demo-digits-search-0000"


def caused(error: BaseException) -> BaseException:
    try:
        try:
            raise error
        except BaseException as first:
            raise ValueError("the epoch was not kept") from first
    except ValueError as second:
        return second


def of_task(error: BaseException, text: str) -> BaseException:
    """Give what Ray makes of an error: its causes are in the traceback alone."""
    traceback = f"ray::SA2VP.train()\n  File 'run.py', line 1\n{text}\n"
    return RayTaskError("train", traceback, pickle.loads(pickle.dumps(error))).as_instanceof_cause()  # noqa: S301


class WorkersFailedError(RuntimeError):
    def __init__(self, error: Exception) -> None:
        super().__init__("worker failures")
        self.worker_failures = {1: error}


MADE: dict[str, Callable[[int, str], BaseException]] = {
    "raised": lambda number, text: OSError(number, text, "state.safetensors"),
    "a cause": lambda number, text: caused(OSError(number, text)),
    "of the store": lambda _, text: StoreError(f"runs/x.parquet cannot be written: {text}"),
    "of Arrow": lambda number, text: OSError(
        f"[Errno {number}] Error writing bytes to file. Detail: [errno {number}] {text}"
    ),
    "of Rust": lambda number, text: SafetensorError(f"I/O error: {text} (os error {number})"),
    "in another language": lambda number, _: RuntimeError(f"[Errno {number}] Datei"),
    "of a task": lambda number, text: of_task(OSError(number, text), f"OSError: [Errno] {text}"),
    "a task's cause": lambda number, text: of_task(
        ValueError("not kept"), f"OSError: [Errno {number}] {text}\n\nValueError: not kept"
    ),
    "of Ray Train": lambda number, text: WorkersFailedError(OSError(number, text)),
}  # fmt: skip


@pytest.mark.parametrize("number", TEXTS)
@pytest.mark.parametrize("made", MADE)
def test_every_way_a_disk_refuses_is_told_from_a_failed_run(number: int, made: str) -> None:
    assert is_refusal(MADE[made](number, TEXTS[number]))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("lr must be above 0, not -28"),
        OSError(errno.ENOENT, os.strerror(errno.ENOENT), "train.txt"),
        OSError(errno.EACCES, os.strerror(errno.EACCES), "train.txt"),
        OSError("[Errno 2] No such file"),
        of_task(MemoryError("27 GiB"), "MemoryError: 27 GiB"),
        WorkersFailedError(RuntimeError("loss is nan at step 28")),
        KeyError(28),
    ],
)
def test_other_errors_are_the_run_s(error: BaseException) -> None:
    assert not is_refusal(error)


def trial_with(error: BaseException | None, text: Path | None = None) -> Any:
    def read() -> BaseException | None:
        if error is None:
            return None
        return error

    return SimpleNamespace(config={"run_id": RUN}, get_pickled_error=read, error_file=text)


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    record = RunRecord(ResultsStore(str(tmp_path / "results")), "demo")
    record.start(run_row(RUN))
    return record


def test_a_refusal_ends_the_search_and_fails_no_run(record: RunRecord, tmp_path: Path) -> None:
    error = of_task(OSError(errno.EROFS, "Read-only file system"), "OSError: Read-only file system")
    with pytest.raises(StoreError) as ended:
        RecordRuns(record, lambda: None, str).on_trial_error(trial=trial_with(error))
    said = f"a disk refuses what {RUN} asks of it: OSError: [Errno 30] Read-only file system"
    assert str(ended.value) == said
    assert record.lost is ended.value
    (row,) = ResultsStore(str(tmp_path / "results")).read_runs()
    assert row.status == "running"


def test_an_error_that_never_reached_the_results_is_read_where_it_was_met(
    record: RunRecord, tmp_path: Path
) -> None:
    text = tmp_path / "error.txt"
    text.write_text("Failure # 1\nray::SA2VP.save()\nOSError: [Errno 122] Disk quota exceeded\n")
    with pytest.raises(StoreError, match=r"OSError: \[Errno 122\] Disk quota exceeded$"):
        RecordRuns(record, lambda: None, str).on_trial_error(trial=trial_with(None, text))


def test_what_tune_itself_meets_is_one_line_too() -> None:
    text = "Traceback:\n  File 'tensorboardx.py'\nOSError: [Errno 5] Input/output error: 'events'\n"
    line = "a disk refuses: OSError: [Errno 5] Input/output error: 'events'"
    assert str(in_terms_of_disks(TuneError(text))) == line
    assert isinstance(in_terms_of_disks(TuneError(text)), StoreError)
    other = TuneError("Traceback:\nValueError: no such metric")
    assert in_terms_of_disks(other) is other


def test_a_failed_run_is_recorded(record: RunRecord) -> None:
    changes: list[int] = []
    callback = RecordRuns(record, lambda: changes.append(1), str)
    callback.on_trial_error(trial=trial_with(ValueError("lr must be above 0")))
    (row,) = record.failed()
    assert (row.reason, changes) == ("ValueError: lr must be above 0", [1])
