"""Results on disk or in an object store: each file written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard

import pyarrow as pa
from pyarrow import fs

from sa2vp.files import make_folder, sync, sync_folder, write_file
from sa2vp.results.packing import DATASETS, hold_files, is_packed, is_temporary, take_out
from sa2vp.results.parquet import UNREADABLE, DamagedError, read_parquet, write_parquet
from sa2vp.results.schema import EPOCH_SCHEMA, PREDICTION_SCHEMA, RUN_SCHEMA, EpochRow, RunRow


def stamp() -> str:
    """Name this moment, in a form that sorts and fits a folder name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def superseded_folder() -> str:
    """Name a new folder, inside the results, for runs that no longer count."""
    return f"superseded/{stamp()}"


def is_superseded_folder(name: object) -> TypeGuard[str]:
    """Tell whether a name, read from a file, is one that :func:`superseded_folder` has given."""
    return isinstance(name, str) and re.fullmatch(r"superseded/\d{8}T\d{12}Z", name) is not None


class StoreError(OSError):
    """Results that cannot be read or written; the message names the file."""


class ResultsStore:
    """The datasets ``runs/``, ``epochs/`` and ``predictions/`` under one folder, a file per run.

    Args:
        location: a path, or a URI that ``pyarrow.fs`` reads, such as ``s3://bucket/results``.

    Attributes:
        uri: of the folder.
        local_folder: where it lies on a disk of this machine; None in an object store.
        guard: is called before anything is changed; raises an OSError to refuse it.

    Raises:
        StoreError: here and in every method, a location that cannot be reached or a file that
            cannot be read or written.
    """

    def __init__(self, location: str) -> None:
        try:
            target = location if "://" in location else str(Path(location).expanduser().resolve())
            self._filesystem, self._root = fs.FileSystem.from_uri(target)
        except (OSError, RuntimeError, pa.ArrowException) as error:
            raise StoreError(f"{location}: {error}") from error
        if not self._root:
            raise StoreError(f"{location} names no bucket or folder")
        self.uri = target
        local = isinstance(self._filesystem, fs.LocalFileSystem)
        self.local_folder = Path(self._root) if local else None
        self.guard: Callable[[], None] = _allow

    def __getstate__(self) -> dict[str, Any]:
        """Leave the guard out: Tune pickles what it is given, for a way back that is not ours."""
        return self.__dict__ | {"guard": _allow}

    def write_run(self, row: RunRow) -> None:
        """Replace a run's row."""
        self._write_rows(f"runs/{row.run_id}.parquet", [row], RUN_SCHEMA)

    def write_epochs(self, run_id: str, rows: Sequence[EpochRow]) -> None:
        """Replace a run's epochs."""
        self._write_rows(f"epochs/{run_id}.parquet", rows, EPOCH_SCHEMA)

    def write_predictions(
        self, run_id: str, targets: Sequence[int], predicted: Sequence[int]
    ) -> None:
        """Replace what a run makes of the test images, in their order."""
        columns = {
            "run_id": [run_id] * len(targets),
            "image": range(len(targets)),
            "target": targets,
            "predicted": predicted,
            "correct": [one == other for one, other in zip(targets, predicted, strict=True)],
        }
        self._write_table(f"predictions/{run_id}.parquet", pa.table(columns, PREDICTION_SCHEMA))

    def read_runs(self) -> list[RunRow]:
        """Read every run's row, in order of run_id; a run's own file counts before a packed one."""
        paths = sorted(self._files("runs"), key=is_packed, reverse=True)
        rows = {
            row["run_id"]: _run_row(row, path)
            for path in paths
            for row in self._read_table(path, RUN_SCHEMA)
        }
        return [rows[run_id] for run_id in sorted(rows)]

    def run_ids(self) -> list[str]:
        """List the runs, also those whose rows cannot be read."""
        paths = self._files("runs")
        stems = {Path(path).stem for path in paths if not is_packed(path)}
        for path in filter(is_packed, paths):
            stems |= self._run_ids_in(path)
        return sorted(stems)

    def _run_ids_in(self, path: str) -> set[str]:
        """List the runs of a packed file, whatever else it holds."""
        try:
            table = read_parquet(path, self._filesystem, columns=["run_id"])
            return set(table["run_id"].cast(pa.string()).to_pylist())
        except FileNotFoundError:
            return set()
        except DamagedError as error:
            raise StoreError(str(error)) from error
        except UNREADABLE as error:
            raise StoreError(f"{path} is damaged or foreign; move it away ({error})") from error

    def read_epochs(self, run_id: str) -> list[EpochRow]:
        """Read a run's epochs in order; empty where none is done."""
        return self.read_epochs_of([run_id])[run_id]

    def read_epochs_of(self, run_ids: Sequence[str]) -> dict[str, list[EpochRow]]:
        """Read the epochs of many runs, by run; a packed file is read once for all of them."""
        files = self._files("epochs")
        own = {Path(path).stem: path for path in files if not is_packed(path)}
        found: dict[str, list[EpochRow]] = {run_id: [] for run_id in run_ids}
        rows = [
            row
            for run_id in found.keys() & own.keys()
            for row in self._read_table(own[run_id], EPOCH_SCHEMA)
        ]
        packed = sorted(found.keys() - own.keys())
        for path in filter(is_packed, files) if packed else ():
            rows += self._read_table(path, EPOCH_SCHEMA, packed)
        for row in rows:
            found[row["run_id"]].append(EpochRow(**row))
        return found

    def read_text(self, name: str) -> str | None:
        """Read a small file; None where there is none."""
        path = f"{self._root}/{name}"
        if self._filesystem.get_file_info(path).type != fs.FileType.File:
            return None
        with self._filesystem.open_input_stream(path) as stream:
            return bytes(stream.read()).decode()

    def size(self, name: str) -> int | None:
        """Give a file's bytes; None where there is none."""
        size: int | None = self._filesystem.get_file_info(f"{self._root}/{name}").size
        return size

    def place(self, name: str) -> tuple[fs.FileSystem, str]:
        """Give the file system, and the path in it that a name has."""
        return self._filesystem, f"{self._root}/{name}"

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file."""
        self._write(name, text.encode())

    def hold_files(self, *, reading: bool = False) -> AbstractContextManager[None]:
        """Keep others from packing runs meanwhile; where only read, as far as this user can."""
        return hold_files(self.local_folder, reading=reading)

    def set_aside(self, run_ids: Sequence[str], folder: str) -> None:
        """Move runs, or what is left of them, below another folder, out of the datasets.

        Their rows go first: if that is interrupted, nothing of a run counts that is not whole.
        """
        with self.hold_files():
            if self.local_folder is not None:
                try:
                    take_out(self.local_folder, run_ids, self.local_folder / folder)
                except (OSError, pa.ArrowException) as error:
                    raise StoreError(f"{self.uri}: packed runs cannot be moved: {error}") from error
            self._move(
                (f"{dataset}/{run_id}.parquet", f"{folder}/{dataset}/{run_id}.parquet")
                for run_id in run_ids
                for dataset in reversed(DATASETS)  # what has no row any more is in nobody's way
            )

    def sha256(self, name: str) -> str | None:
        """Give the digest of a file's bytes; None where there is none."""
        path = f"{self._root}/{name}"
        if self._filesystem.get_file_info(path).type != fs.FileType.File:
            return None
        digest = hashlib.sha256()
        try:
            with self._filesystem.open_input_stream(path) as stream:
                while part := stream.read(2**20):
                    digest.update(part)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        return digest.hexdigest()

    def sync(self, name: str) -> None:
        """Put a folder that another program has written on the disk, with its files."""
        if self.local_folder is None:
            return
        folder = self.local_folder / name
        try:
            for path in (*folder.iterdir(), folder, *folder.parents):
                sync(path)
                if path == self.local_folder:
                    return
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error}") from error

    def remove(self, name: str) -> None:
        """Remove a file if it exists; it does not come back after a power cut."""
        path = f"{self._root}/{name}"
        try:
            self.guard()
            if self._filesystem.get_file_info(path).type == fs.FileType.File:
                self._filesystem.delete_file(path)
                if self.local_folder is not None:
                    sync_folder(Path(path).parent)
        except OSError as error:
            raise StoreError(f"{path} cannot be removed: {error}") from error

    def move(self, name: str, new_name: str) -> None:
        """Move a file if it exists."""
        self._move([(name, new_name)])

    def _move(self, names: Iterable[tuple[str, str]]) -> None:
        """Move those files that exist, each from its first name to its second."""
        touched: set[Path] = set()
        try:
            self.guard()
            for name, new_name in names:
                source, target = f"{self._root}/{name}", f"{self._root}/{new_name}"
                if self._filesystem.get_file_info(source).type != fs.FileType.File:
                    continue
                if self.local_folder is None:
                    self._filesystem.create_dir(target.rpartition("/")[0], recursive=True)
                    self._filesystem.move(source, target)
                    continue
                make_folder(Path(target).parent)
                Path(source).replace(target)
                touched |= {Path(target).parent, Path(source).parent}
            for folder in sorted(touched, reverse=True):
                sync_folder(folder)
        except OSError as error:
            raise StoreError(f"{self.uri}: files cannot be moved: {error}") from error

    def find(self, folder: str, file_name: str) -> list[str]:
        """List, relative to the root, every file of one name below a folder."""
        return [
            path.removeprefix(f"{self._root}/")
            for path in self._files(folder, recursive=True)
            if path.endswith(f"/{file_name}")
        ]

    def _files(self, folder: str, *, recursive: bool = False) -> list[str]:
        selector = fs.FileSelector(
            f"{self._root}/{folder}", allow_not_found=True, recursive=recursive
        )
        return [
            info.path
            for info in self._filesystem.get_file_info(selector)
            if info.type == fs.FileType.File and not is_temporary(info.base_name)
        ]

    def _read_table(
        self, path: str, schema: pa.Schema, run_ids: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        try:
            whole = read_parquet(path, self._filesystem, run_ids=run_ids)
        except FileNotFoundError as error:
            raise StoreError(f"{path} is gone") from error
        except DamagedError as error:
            raise StoreError(str(error)) from error
        whole = _with_later_columns(whole, schema)
        missing = sorted(set(schema.names) - set(whole.schema.names))
        if missing:
            raise StoreError(
                f"{path} lacks {', '.join(missing)}: another version of this project wrote it. "
                "Choose another --results, or start over with --fresh, which keeps it"
            )
        try:
            rows: list[dict[str, Any]] = whole.select(schema.names).cast(schema).to_pylist()
        except UNREADABLE as error:
            raise StoreError(f"{path} is damaged or foreign; move it away ({error})") from error
        return rows

    def _write_rows(
        self, name: str, rows: Sequence[RunRow] | Sequence[EpochRow], schema: pa.Schema
    ) -> None:
        self._write_table(name, pa.Table.from_pylist([asdict(row) for row in rows], schema))

    def _write_table(self, name: str, table: pa.Table) -> None:
        buffer = io.BytesIO()
        write_parquet(table, buffer)
        self._write(name, buffer.getvalue())

    def _write(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        try:
            self.guard()
            if self.local_folder is not None:
                make_folder(Path(path).parent)
                write_file(Path(path), content)
                return
            self._filesystem.create_dir(path.rpartition("/")[0], recursive=True)
            # An object store shows an object once it is complete.
            with self._filesystem.open_output_stream(path) as stream:
                stream.write(content)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error}") from error


def _allow() -> None:
    """Refuse nothing."""


def _run_row(row: dict[str, Any], path: str) -> RunRow:
    try:
        return RunRow(**row)
    except ValueError as error:
        raise StoreError(f"{path} is foreign; move it away ({error})") from error


def _with_later_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Add, empty, the columns that may be empty and that an earlier version did not write."""
    for field in schema:
        if field.nullable and field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table
