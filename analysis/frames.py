"""Read the results that a search leaves on disk: a row per run, and a row per run and epoch.

Reading is safe while a search writes: writers rename whole files into place, temporary files are
passed over, and a file that is replaced or removed meanwhile is read again or left out.
``docs/results.md`` says what each column means.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

_UTC_TIME = pa.timestamp("us", tz="UTC")

RUNS = pa.schema(
    {
        "run_id": pa.string(),
        "suite": pa.string(),
        "task": pa.string(),
        "backbone": pa.string(),
        "method": pa.string(),
        "phase": pa.string(),
        "inter_dim": pa.int64(),
        "inter_weight": pa.float64(),
        "lr": pa.float64(),
        "batch_size": pa.int64(),
        "weight_decay": pa.float64(),
        "epochs_planned": pa.int64(),
        "seed": pa.int64(),
        "status": pa.string(),
        "reason": pa.string(),
        "epochs_done": pa.int64(),
        "last_val_top1": pa.float64(),
        "best_val_top1": pa.float64(),
        "test_top1": pa.float64(),
        "best_epoch_test_top1": pa.float64(),
        "trainable_params": pa.int64(),
        "backbone_params": pa.int64(),
        "seconds": pa.float64(),
        "peak_memory_gib": pa.float64(),
        "data_fingerprint": pa.string(),
        "versions": pa.string(),
        "commit": pa.string(),
        "started_at": _UTC_TIME,
        "finished_at": _UTC_TIME,
    }
)
EPOCHS = pa.schema(
    {
        "run_id": pa.string(),
        "epoch": pa.int64(),
        "lr": pa.float64(),
        "train_loss": pa.float64(),
        "val_loss": pa.float64(),
        "val_top1": pa.float64(),
        "test_top1": pa.float64(),
        "seconds": pa.float64(),
        "images_per_second": pa.float64(),
    }
)

_READ_ATTEMPTS = 2
_RETRY_SECONDS = 0.05
_READERS = 16  # on object storage a read is mostly waiting


class ResultsError(Exception):
    """The results cannot be read; the message names the file or folder and what is wrong."""


class ResultsNotFoundError(ResultsError):
    """There is no folder at the given place."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a results folder holds.

    Attributes:
        runs: a row per run, with the columns of ``RUNS``.
        epochs: a row per run and epoch, with the columns of ``EPOCHS``.
        warnings: a line for each file that could not be read.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    warnings: tuple[str, ...] = ()


def no_results() -> Results:
    """Results of a project that has not run anything yet: both frames are empty."""
    return Results(_to_pandas(RUNS.empty_table()), _to_pandas(EPOCHS.empty_table()))


def read_results(location: str) -> Results:
    """Read the runs and epochs under a results folder.

    Args:
        location: a path, or a URI that ``pyarrow.fs`` reads, such as ``s3://bucket/results``.

    Raises:
        ResultsNotFoundError: nothing is there.
        ResultsError: it is no folder, or a file lacks a column or holds another type in it.
    """
    try:
        filesystem, root = _open(location)
        kind = filesystem.get_file_info(root).type
        if kind == pa.fs.FileType.NotFound:
            raise ResultsNotFoundError(f"there is no folder {location!r}")
        if kind == pa.fs.FileType.File:
            raise ResultsError(f"{location!r} is a file; expected the folder of a search's results")
        runs, run_warnings = _read_dataset(filesystem, f"{root}/runs", RUNS)
        epochs, epoch_warnings = _read_dataset(filesystem, f"{root}/epochs", EPOCHS)
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"cannot read {location!r}: {_one_line(error)}") from error
    runs = runs.sort_values("run_id", ignore_index=True)
    epochs = epochs.sort_values(["run_id", "epoch"], ignore_index=True)
    return Results(runs, epochs, (*run_warnings, *epoch_warnings))


def _open(location: str) -> tuple[pa.fs.FileSystem, str]:
    if "://" in location:
        filesystem, root = pa.fs.FileSystem.from_uri(location)
        return filesystem, root.rstrip("/")
    return pa.fs.LocalFileSystem(), Path(location).absolute().as_posix()


def _read_dataset(
    filesystem: pa.fs.FileSystem, folder: str, schema: pa.Schema
) -> tuple[pd.DataFrame, list[str]]:
    """Read every file of a dataset; return its rows, and a warning per unreadable file."""
    selector = pa.fs.FileSelector(folder, allow_not_found=True)
    paths = sorted(
        info.path
        for info in filesystem.get_file_info(selector)
        if info.type == pa.fs.FileType.File and not info.base_name.startswith((".", "_"))
    )
    with ThreadPoolExecutor(_READERS) as readers:
        outcomes = list(readers.map(partial(_read_file, filesystem), paths))
    tables = [schema.empty_table()]
    warnings = []
    for path, outcome in zip(paths, outcomes, strict=True):
        if isinstance(outcome, pa.Table):
            tables.append(_conform(outcome, schema, path))
        elif not isinstance(outcome, FileNotFoundError):
            warnings.append(f"{path}: left out, not a readable Parquet file: {_one_line(outcome)}")
    return _to_pandas(pa.concat_tables(tables)), warnings


def _read_file(filesystem: pa.fs.FileSystem, path: str) -> pa.Table | Exception:
    """Read one file, a second time if need be; return the error that stayed otherwise."""
    failure: Exception = FileNotFoundError(path)
    for attempt in range(_READ_ATTEMPTS):
        # Not every file system replaces a file in one step: give the writer a moment to finish.
        time.sleep(_RETRY_SECONDS if attempt else 0)
        try:
            with filesystem.open_input_file(path) as source:
                return pq.ParquetFile(source).read()
        except (pa.ArrowException, OSError) as error:
            failure = error
    return failure


def _conform(table: pa.Table, schema: pa.Schema, path: str) -> pa.Table:
    """Bring a file's columns into the schema's order and types; further columns are dropped."""
    columns = []
    for field in schema:
        if table.column_names.count(field.name) != 1:
            raise ResultsError(f"{path}: column {field.name!r} is missing or repeated")
        column = table.column(field.name)
        try:
            # Finer timestamps may lose their last digits; numbers may not.
            columns.append(column.cast(field.type, safe=not pa.types.is_timestamp(field.type)))
        except pa.ArrowException as error:
            raise ResultsError(
                f"{path}: column {field.name!r} holds {column.type}, expected {field.type}"
            ) from error
    return pa.table(columns, schema=schema)


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    # pandas' own integers can be missing; the default would turn such columns into floats.
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
