"""Parquet files in which a single changed bit is found when they are read.

Pages carry Parquet's own checksums. The footer, which says what the columns are and where they lie,
has none in the format: its SHA-256 stands before it, in a gap that other readers pass over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from sa2vp.text import one_line

_SEAL = b"sa2vp:footer"
_SEAL_BYTES = len(_SEAL) + hashlib.sha256().digest_size
_TAIL_BYTES = 8
"""The footer's length, 4 bytes, little-endian, and the letters PAR1."""


UNREADABLE = (OSError, ValueError, LookupError, NotImplementedError, pa.ArrowException)
"""What bytes that mean nothing end in. Arrow's kinds are subclasses of the others."""


class DamagedError(OSError):
    """A file that is no Parquet file, or not as it was written; the message names it."""


def write_parquet(table: pa.Table, file: BinaryIO, rows_per_group: int | None = None) -> None:
    """Write a table.

    Args:
        table: to write.
        file: an empty one, open for reading and writing.
        rows_per_group: that a reader can pass over together.
    """
    pq.write_table(table, file, row_group_size=rows_per_group, write_page_checksum=True)
    length = file.seek(0, 2)
    file.seek(length - _TAIL_BYTES)
    start = length - _TAIL_BYTES - int.from_bytes(file.read(4), "little")
    file.seek(start)
    footer = file.read()
    file.seek(start)
    file.write(_SEAL + hashlib.sha256(footer).digest() + footer)


def read_parquet(
    path: str,
    filesystem: fs.FileSystem,
    *,
    columns: Sequence[str] | None = None,
    run_ids: Sequence[str] | None = None,
) -> pa.Table:
    """Read a table.

    Args:
        path: of the file.
        filesystem: that holds it.
        columns: to read; None reads all.
        run_ids: of the rows to read; row groups without them are passed over. None reads all rows.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedError: the file cannot be read, or a bit of it was changed.
    """
    try:
        with filesystem.open_input_file(path) as file:
            return read_checked(file, columns=columns, run_ids=run_ids)
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        told = f"{path} is damaged or foreign; move it away ({one_line(error)})"
        raise DamagedError(told) from error


def read_checked(
    file: pa.NativeFile,
    *,
    columns: Sequence[str] | None = None,
    run_ids: Sequence[str] | None = None,
) -> pa.Table:
    """Read a table from an open file, as :func:`read_parquet`.

    A file without a seal, which another program wrote, is read as any Parquet file.

    Raises:
        One of ``UNREADABLE``: it cannot be read, or a bit of it was changed.
    """
    _check_footer(file)
    file.seek(0)
    if run_ids is None:
        return pq.ParquetFile(file, page_checksum_verification=True).read(columns)
    rows = [("run_id", "in", list(run_ids))]
    wanted = None if columns is None else list(columns)
    return pq.read_table(file, columns=wanted, filters=rows, page_checksum_verification=True)


def _check_footer(file: pa.NativeFile) -> None:
    """Compare the footer with its seal."""
    size = file.size()
    tail = file.read_at(min(size, _TAIL_BYTES), max(0, size - _TAIL_BYTES))
    start = size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if start < _SEAL_BYTES:
        return  # no Parquet file of this project, as reading it says
    seal = file.read_at(_SEAL_BYTES, start - _SEAL_BYTES)
    footer = file.read_at(size - start, start)
    if seal.startswith(_SEAL) and seal != _SEAL + hashlib.sha256(footer).digest():
        raise ValueError("its footer has changed since it was written")
