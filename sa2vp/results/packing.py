"""Files that hold the rows of many runs that have ended, in place of a file for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock
from pyarrow import fs

from sa2vp.files import make_folder, remove_leftovers, replacing
from sa2vp.results.parquet import DamagedError, read_parquet, write_parquet

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


def is_temporary(name: str) -> bool:
    """Tell whether a file's name says that it is still being written, or another program's own."""
    return name.startswith((".", "_"))


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

    Safe at any time, also while a search writes: each packed file is on the disk whole, and has
    been read back and compared, before the files that it stands for are removed; readers that find
    a run twice see one.

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
        for dataset in DATASETS:
            remove_leftovers(folder / dataset)
            # Packed before, and either not removed then or made anew since: the own file counts.
            own = [run_id for run_id in ended if _own_file(folder, dataset, run_id).exists()]
            _take_out_of(folder, dataset, own, None)
        for first in range(0, len(ended), RUNS_PER_FILE):
            _write(folder, ended[first : first + RUNS_PER_FILE], progress)
        for run_id in ended:
            for dataset in DATASETS:
                _own_file(folder, dataset, run_id).unlink(missing_ok=True)
    return len(ended)


def take_out(folder: Path, run_ids: Sequence[str], target: Path | None) -> None:
    """Take runs out of the packed files.

    Args:
        folder: the results.
        run_ids: of the runs; those that are not packed are passed over.
        target: gets the datasets, a file per run; None keeps none.
    """
    for dataset in reversed(DATASETS):  # the rows first, as they are written last
        _take_out_of(folder, dataset, run_ids, target)


def _take_out_of(folder: Path, dataset: str, run_ids: Sequence[str], target: Path | None) -> None:
    """Take runs out of a dataset's packed files, as :func:`take_out`."""
    if not run_ids:
        return
    for path in sorted((folder / dataset).glob(f"{PREFIX}*.parquet")):
        packed = _read(path, ["run_id"])["run_id"].unique().to_pylist()
        if not set(packed).intersection(run_ids):
            continue
        table = _read(path)
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
    names = [file for file in (folder / "runs").glob("*.parquet") if not is_temporary(file.name)]
    return sorted(file.stem for file in names if not is_packed(file.name))


def _own_file(folder: Path, dataset: str, run_id: str) -> Path:
    return folder / dataset / f"{run_id}.parquet"


def _status(folder: Path, run_id: str) -> str | None:
    """Read how a run stands; None where its row cannot be read."""
    try:
        statuses = _read(_own_file(folder, "runs", run_id), ["status"])["status"]
    except DamagedError:
        return None
    return str(statuses[0]) if len(statuses) == 1 else None


def _write(folder: Path, run_ids: Sequence[str], progress: Callable[[], None]) -> None:
    """Write runs, in order of their ids, into a file per dataset."""
    name = f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S%f}.parquet"
    for dataset in DATASETS:
        tables = []
        for run_id in run_ids:
            path = _own_file(folder, dataset, run_id)
            if path.exists():
                tables.append(_read(path))
            if dataset == DATASETS[-1]:
                progress()
        if tables:
            whole = pa.concat_tables(tables, promote_options="default")
            _write_whole(whole, folder / dataset / name)


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    return read_parquet(str(path), fs.LocalFileSystem(), columns=columns)


def _write_whole(table: pa.Table, path: Path) -> None:
    """Replace a file in one step, once what was written is read back as it was.

    Raises:
        OSError: it cannot be written, or holds other rows.
    """
    make_folder(path.parent)
    with replacing(path) as temporary:
        with temporary.open("w+b") as file:
            write_parquet(table, file, ROWS_PER_GROUP)
        if not _same(_read(temporary), table):
            raise OSError(f"{path}: the disk gives back other rows than were written")


def _same(one: pa.Table, other: pa.Table) -> bool:
    """Compare tables bit by bit: NaN equals itself."""
    return one.schema == other.schema and all(
        _bits(a).equals(_bits(b)) for a, b in zip(one.columns, other.columns, strict=True)
    )


def _bits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type != pa.float64():
        return column
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in column.chunks], pa.int64())
