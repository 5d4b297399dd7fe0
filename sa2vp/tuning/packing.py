"""Files that hold the rows of many runs that have ended, in place of a file for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

DATASETS = ("predictions", "epochs", "runs")
PREFIX = "packed-"
"""Of the files' names; a run_id begins with its suite."""

ENDED = ("completed", "stopped")
"""Rows that no search writes again; what has failed may be taken up again."""

RUNS_PER_FILE = 20_000
ROWS_PER_GROUP = 100_000
"""So that the epochs of a few runs are found without reading those of all."""


def is_packed(path: str) -> bool:
    """Tell whether a file of a dataset holds many runs."""
    return path.rpartition("/")[2].startswith(PREFIX)


@contextmanager
def hold_files(folder: Path | None, *, reading: bool = False) -> Iterator[None]:
    """Keep others from packing, and from setting packed runs aside; nothing, without a folder.

    Args:
        folder: the results.
        reading: nothing is written meanwhile, so that a folder where this user makes no lock does.
    """
    with ExitStack() as held:
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(FileLock(folder / ".packing.lock"))
            except OSError:
                if not reading:
                    raise
        yield


def pack(folder: Path, progress: Callable[[], None]) -> int:
    """Pack the runs of a results folder that have ended.

    Safe at any time, also while a search writes: each packed file is written whole before the files
    that it stands for are removed, and readers that find a run twice see one.

    Args:
        folder: with the datasets ``runs/``, ``epochs/`` and ``predictions/``.
        progress: called after each run.

    Returns:
        How many runs were packed.

    Raises:
        OSError: a file cannot be read or written; nothing is removed then.
    """
    with hold_files(folder):
        ended = [run_id for run_id in _own_runs(folder) if _status(folder, run_id) in ENDED]
        # Packed before, and either not removed then or made anew since: the file of its own counts.
        take_out(folder, sorted(packed_runs(folder).intersection(ended)), None)
        for first in range(0, len(ended), RUNS_PER_FILE):
            _write(folder, ended[first : first + RUNS_PER_FILE], progress)
        for run_id in ended:
            for dataset in DATASETS:
                (folder / dataset / f"{run_id}.parquet").unlink(missing_ok=True)
    return len(ended)


def packed_runs(folder: Path) -> set[str]:
    """List the runs that are packed."""
    return set().union(*(packed_in(path) for path in _packed_files(folder, "runs")))


def packed_in(path: Path) -> set[str]:
    """List the runs of a packed file, reading nothing else of it."""
    run_ids = pq.read_table(path, columns=["run_id"])["run_id"]
    return set(run_ids.unique().to_pylist())


def take_out(folder: Path, run_ids: Sequence[str], target: Path | None) -> None:
    """Take runs out of the packed files.

    Args:
        folder: the results.
        run_ids: of the runs; those that are not packed are passed over.
        target: gets the datasets, a file per run; None keeps none.
    """
    if not run_ids:
        return
    for dataset in DATASETS:
        for path in _packed_files(folder, dataset):
            if not packed_in(path).intersection(run_ids):
                continue
            table = pq.read_table(path)
            taken = pc.is_in(table["run_id"], pa.array(run_ids, pa.string()))
            if target is not None:
                _write_apart(table.filter(taken), target / dataset)
            _write_whole(table.filter(pc.invert(taken)), path)


def _write_apart(table: pa.Table, folder: Path) -> None:
    """Write a file per run."""
    for run_id in table["run_id"].unique().to_pylist():
        own = table.filter(pc.equal(table["run_id"], run_id))
        _write_whole(own, folder / f"{run_id}.parquet")


def _own_runs(folder: Path) -> list[str]:
    files = (folder / "runs").glob("[!._]*.parquet")
    return sorted(file.stem for file in files if not is_packed(file.name))


def _status(folder: Path, run_id: str) -> str | None:
    """Read how a run stands; None where its row cannot be read."""
    try:
        statuses = pq.ParquetFile(folder / "runs" / f"{run_id}.parquet").read(["status"])["status"]
        return str(statuses[0]) if len(statuses) == 1 else None
    except (OSError, KeyError, pa.ArrowException):
        return None


def _packed_files(folder: Path, dataset: str) -> list[Path]:
    return sorted((folder / dataset).glob(f"{PREFIX}*.parquet"))


def _write(folder: Path, run_ids: Sequence[str], progress: Callable[[], None]) -> None:
    """Write runs, in order of their ids, into a file per dataset."""
    name = f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S%f}.parquet"
    for dataset in DATASETS:
        tables = []
        for run_id in run_ids:
            path = folder / dataset / f"{run_id}.parquet"
            if path.exists():
                tables.append(_read_whole(path))
            if dataset == DATASETS[-1]:
                progress()
        if tables:
            whole = pa.concat_tables(tables, promote_options="default")
            _write_whole(whole, folder / dataset / name)


def _read_whole(path: Path) -> pa.Table:
    """Read a file; an OSError names one that is damaged."""
    try:
        return pq.ParquetFile(path).read()
    except pa.ArrowException as error:
        raise OSError(f"{path} is damaged; move it away ({error})") from error


def _write_whole(table: pa.Table, path: Path) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    try:
        pq.write_table(table, temporary, row_group_size=ROWS_PER_GROUP)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
