"""Read a dataset's Parquet files one by one: what is damaged, foreign or gone is told apart.

Reading is safe while a search writes: writers rename whole files into place, temporary files are
passed over, and a file that is replaced or removed meanwhile is read again or left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs

from sa2vp.results.packing import is_packed, is_temporary
from sa2vp.results.parquet import UNREADABLE, read_checked
from sa2vp.text import one_line

_READ_ATTEMPTS = 2
_RETRY_SECONDS = 0.05
_READERS = 16  # on object storage a read is mostly waiting
_NAMED = 3

Problem = tuple[str, str]
"""A file or run, and what is wrong with it."""


def in_few_lines(problems: Iterable[Problem]) -> list[str]:
    """Say each problem once: of one file or run with its name, of many with some of them."""
    by_text: dict[str, list[str]] = {}
    for subject, text in problems:
        by_text.setdefault(text, []).append(subject)
    return [_one_problem(subjects, text) for text, subjects in by_text.items()]


def _one_problem(subjects: list[str], text: str) -> str:
    if len(subjects) == 1:
        return f"{subjects[0]}: {text}"
    more = len(subjects) - _NAMED
    named = ", ".join(subjects[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return f"{len(subjects):,} times: {text}: {named}"


def read_folder(
    filesystem: pa.fs.FileSystem, folder: str, schema: pa.Schema
) -> tuple[pd.DataFrame, list[Problem], int]:
    """Read every file of a dataset.

    Returns:
        Its rows, what is wrong with which file, and how many files hold one run each.
    """
    names = _names(filesystem, folder, packed=False)
    return *_read_files(filesystem, folder, names, schema, None), len(names)


def read_runs_files(
    filesystem: pa.fs.FileSystem, folder: str, run_ids: Sequence[str], schema: pa.Schema
) -> tuple[pd.DataFrame, list[Problem]]:
    """Read the rows of some runs, from their own files and from packed ones."""
    wanted = {f"{run_id}.parquet" for run_id in run_ids}
    names = [name for name in _names(filesystem, folder, packed=False) if name in wanted]
    return _read_files(filesystem, folder, names, schema, run_ids)


def _names(filesystem: pa.fs.FileSystem, folder: str, *, packed: bool) -> list[str]:
    """List a dataset's files of one run each, or those of many."""
    selector = pa.fs.FileSelector(folder, allow_not_found=True)
    return sorted(
        info.base_name
        for info in filesystem.get_file_info(selector)
        if info.type == pa.fs.FileType.File
        and not is_temporary(info.base_name)
        and is_packed(info.base_name) == packed
    )


def _read_files(
    filesystem: pa.fs.FileSystem,
    folder: str,
    names: Sequence[str],
    schema: pa.Schema,
    run_ids: Sequence[str] | None,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Read files that may be gone, and the wanted rows of the packed ones."""
    with ThreadPoolExecutor(_READERS) as readers:
        paths = [f"{folder}/{name}" for name in names]
        outcomes = dict(
            zip(paths, readers.map(partial(_read_file, filesystem), paths), strict=True)
        )
    # These last: a file that was packed and removed since the folder was listed is in one of them.
    for name in _names(filesystem, folder, packed=True):
        outcomes[f"{folder}/{name}"] = _read_file(filesystem, f"{folder}/{name}", run_ids)
    tables, problems = [schema.empty_table()], []
    own: set[str] = set()
    for path, outcome in outcomes.items():
        if isinstance(outcome, FileNotFoundError):
            continue
        if isinstance(outcome, Exception):
            text = f"left out, not a readable Parquet file: {one_line(outcome)}"
            problems.append((path, text))
            continue
        try:
            table, lacking = _conform(outcome, schema)
        except _ForeignError as error:
            problems.append((path, f"left out, not a file of a search: {error}"))
            continue
        if is_packed(path):
            # A run's own file counts, as in a search that goes on: it is the newer one.
            theirs = pa.array(sorted(own), pa.string())
            table = table.filter(pc.invert(pc.is_in(table["run_id"], theirs)))
        else:
            own.add(path.rpartition("/")[2].removesuffix(".parquet"))
        tables.append(table)
        if lacking:
            problems.append((path, f"of an earlier version, without {', '.join(lacking)}"))
    return to_pandas(pa.concat_tables(tables)), problems


def _read_file(
    filesystem: pa.fs.FileSystem, path: str, run_ids: Sequence[str] | None = None
) -> pa.Table | Exception:
    """Read one file, a second time if need be; return the error that stayed otherwise.

    Args:
        filesystem: that holds it.
        path: of the file.
        run_ids: whose rows are wanted; groups of rows that hold none are not read.
    """
    failure: Exception = FileNotFoundError(path)
    for attempt in range(_READ_ATTEMPTS):
        # Not every file system replaces a file in one step: give the writer a moment to finish.
        time.sleep(_RETRY_SECONDS if attempt else 0)
        try:
            with filesystem.open_input_file(path) as source:
                return read_checked(source, run_ids=run_ids)
        except UNREADABLE as error:
            failure = error
    return failure


def _all_differ(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


class _ForeignError(Exception):
    """A table that no search has written; the message says why."""


def _conform(table: pa.Table, schema: pa.Schema) -> tuple[pa.Table, list[str]]:
    """Bring a file's columns into the schema's order and types; further columns are dropped.

    Returns:
        The table, and the columns that it lacks, which are empty.

    Raises:
        _ForeignError: a column that every version has is missing, or one has another type.
    """
    if set(schema.names) <= set(table.column_names) and _all_differ(table.column_names):
        same = table.select(schema.names)
        if same.schema.types == schema.types:  # as of nearly every file
            return pa.table(same.columns, schema=schema), []
    columns, lacking = [], []
    for field in schema:
        found = table.column_names.count(field.name)
        if found == 0 and field.nullable:
            lacking.append(field.name)
            columns.append(pa.nulls(len(table), field.type))
            continue
        if found != 1:
            raise _ForeignError(f"column {field.name!r} is missing or repeated")
        column = table.column(field.name)
        try:
            # Finer timestamps may lose their last digits; numbers may not.
            columns.append(column.cast(field.type, safe=not pa.types.is_timestamp(field.type)))
        except pa.ArrowException as error:
            raise _ForeignError(
                f"column {field.name!r} holds {column.type}, expected {field.type}"
            ) from error
    return pa.table(columns, schema=schema), lacking


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Convert a table, integers that may be missing among it."""
    # pandas' own integers can be missing; the default would turn such columns into floats.
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame
