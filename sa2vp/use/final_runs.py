"""From a results folder to the trained model of a final run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ray import tune
from torch import Tensor

from sa2vp.results.names import PLAIN_METHOD, search_name
from sa2vp.results.schema import RunRow
from sa2vp.results.store import ResultsStore, StoreError
from sa2vp.suites import CUSTOM, SUITES
from sa2vp.training.checkpoint import Checkpoint, CheckpointError
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import data_file, read_json
from sa2vp.use.card import card_of
from sa2vp.use.errors import UseError, shortened
from sa2vp.use.export import Export


def load_final_run(
    results: str,
    *,
    task: str | None = None,
    method: str = PLAIN_METHOD,
    run_id: str | None = None,
) -> Export:
    """Load what a final run has learned.

    Args:
        results: what ``run_search.py`` wrote, a path or URI.
        task: take its best final run (see :func:`best_final_run`).
        method: of which, with ``task``.
        run_id: take this run; give either.

    Raises:
        UseError: there is no such run, it is not completed, or its checkpoint is gone.
    """
    try:
        return _load_final_run(results, task, method, run_id)
    except StoreError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise UseError(f"--results: {error}") from error
    # Packed since the folder was listed: reading waits for no one, and may not be able to.
    try:
        return _load_final_run(results, task, method, run_id)
    except StoreError as error:
        raise UseError(f"--results: {error}") from error


def _load_final_run(results: str, task: str | None, method: str, run_id: str | None) -> Export:
    store = ResultsStore(results)
    rows = store.read_runs()
    if not rows:
        raise UseError(f"--results: there are no runs in {results}; run_search.py writes them")
    row = named_final_run(rows, run_id) if run_id else best_final_run(rows, task or "", method)
    arrays = _learned_arrays(store, row)
    card = card_of(
        row,
        len(arrays["head.bias"]),
        transform=transform_of(row),
        class_names=class_names(store, row),
    )
    return Export(card, arrays, f"run {row.run_id}")


def named_final_run(rows: Sequence[RunRow], run_id: str) -> RunRow:
    """Pick a run by its name.

    Raises:
        UseError: there is no such run, or it is no completed final run.
    """
    finals = [row for row in rows if row.phase == "final"]
    found = [row for row in rows if row.run_id == run_id]
    if not found:
        raise UseError(f"--run: no run {run_id!r}; final runs there: {_listed(finals)}")
    (row,) = found
    if row not in finals:
        raise UseError(
            f"--run: {run_id!r} is a trial of the search; final runs there: {_listed(finals)}"
        )
    if row.status != "completed":
        raise UseError(f"--run: {_state(row)}; run_search.py continues what is unfinished")
    return row


def best_final_run(rows: Sequence[RunRow], task: str, method: str = PLAIN_METHOD) -> RunRow:
    """Pick a task's completed final run with the highest validation top-1 of its last epoch.

    Only runs of the method count. Of equals the one with the lower seed. The test split has no say.

    Raises:
        UseError: the task has no such run, or has some in several suites.
    """
    finals = [row for row in rows if (row.method, row.phase) == (method, "final")]
    of_task = [row for row in finals if row.task == task]
    if not of_task:
        tasks = shortened(list(dict.fromkeys(row.task for row in finals))) or "none"
        raise UseError(
            f"--task: no final run of task {task!r}{_by_method(rows, method)}; tasks with final "
            f"runs: {tasks}"
        )
    suites = sorted({row.suite for row in of_task})
    if len(suites) > 1:
        raise UseError(
            f"--task: task {task!r} has final runs in the suites {', '.join(suites)}; "
            f"choose one with --run: {_listed(of_task)}"
        )
    completed = [row for row in of_task if row.status == "completed"]
    if not completed:
        states = shortened([_state(row) for row in of_task])
        raise UseError(f"--task: {states}; run_search.py continues what is unfinished")
    return min(completed, key=lambda row: (-(row.last_val_top1 or 0.0), row.seed))


def class_names(store: ResultsStore, row: RunRow) -> list[str] | None:
    """Give a task's class names by label, where its data has them."""
    described = read_json(store, data_file(search_name(row.suite, row.method))).get(row.task, {})
    return (described.get("classes") or None) if isinstance(described, dict) else None


def transform_of(row: RunRow) -> str:
    """Tell how a run's images become the model's input; a suite's tasks all do so alike."""
    return SUITES.get(row.suite, CUSTOM).transform


def _by_method(rows: Sequence[RunRow], method: str) -> str:
    """Name the method that was asked for, and those that there are, where there are others."""
    others = sorted({row.method for row in rows if row.phase == "final"} - {method})
    return f" by method {method} (--method: {shortened(others)})" if others else ""


def _listed(rows: Sequence[RunRow]) -> str:
    return shortened([row.run_id for row in rows]) or "none"


def _state(row: RunRow) -> str:
    because = f" ({row.reason})" if row.reason else ""
    return f"{row.run_id!r} is {row.status}{because}, not completed"


def _learned_arrays(store: ResultsStore, row: RunRow) -> dict[str, Tensor]:
    """Read a run's checkpoint of the last epoch.

    Raises:
        UseError: it is gone or damaged.
    """
    gone = (
        f"run {row.run_id!r}: no checkpoint of its last epoch under {store.uri}/tune; "
        "choose another with --run, or search again with --fresh"
    )
    for place in RunRecord(store, row.suite, row.method).checkpoints(row):
        try:
            with tune.Checkpoint(place).as_directory() as directory:
                checkpoint = Checkpoint.load(Path(directory))
        except (CheckpointError, OSError) as error:
            gone = f"{gone} ({error})"
            continue
        arrays = checkpoint.part("learned/")
        if checkpoint.epoch == row.epochs_planned and "head.bias" in arrays:
            return arrays
    raise UseError(gone)
