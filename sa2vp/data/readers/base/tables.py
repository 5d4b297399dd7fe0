"""One's own data as a table of paths, labels and splits, or as what is made into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import FolderSource, ImageSource
from sa2vp.data.readers.base import SPLITS, Listing
from sa2vp.data.readers.base.splits import check_name, make_split, read_bytes
from sa2vp.results.parquet import UNREADABLE
from sa2vp.text import one_line

COLUMNS = ["path", "label", "split"]
MAX_ROWS = 20_000_000
MAX_GIB = 4
"""Of a Parquet table's three columns, in memory: in a file, few bytes may stand for any number."""


def _read_csv(file: BytesIO, columns: Sequence[str]) -> pd.DataFrame:
    del columns  # a file of 256 MiB holds no more than it can
    return pd.read_csv(file, dtype=str, keep_default_na=False)  # a class may be NA


def _read_parquet(file: BytesIO, columns: Sequence[str]) -> pd.DataFrame:
    """Read the columns that are used.

    Raises:
        ValueError: the file has a column twice, or would fill the memory: of its rows the metadata
            tell before anything is read.
    """
    content = pq.ParquetFile(file)
    rows = content.metadata.num_rows
    if rows > MAX_ROWS:
        raise ValueError(f"{rows:,} rows; at most {MAX_ROWS:,} are read")
    names = [name for name in content.schema_arrow.names if name in columns]
    if len(names) > len(set(names)):
        raise ValueError(f"a column is there twice; it has {', '.join(names)}")
    parts, size = [content.schema_arrow.empty_table().select(names)], 0
    for batch in content.iter_batches(4096, columns=names):
        columns = [_spelled_out(column) for column in batch.columns]
        parts.append(pa.table(columns, batch.schema.names))
        size += parts[-1].nbytes
        if size > MAX_GIB * 2**30:
            raise ValueError(f"{', '.join(names)} take more than {MAX_GIB} GiB")
    frame: pd.DataFrame = pa.concat_tables(parts[1:] or parts).to_pandas()
    return frame


def _spelled_out(column: pa.Array) -> pa.Array:
    """Give each row its own text, as it is used; it may be stored as one of a few."""
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


TABLES: dict[str, Callable[[BytesIO, Sequence[str]], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def read_frame(
    path: Path, columns: Sequence[str] = COLUMNS, *, divided: bool = True
) -> pd.DataFrame:
    """Read the columns of a table that say path, label and split.

    Args:
        path: of the table.
        columns: what these columns are called, in this order.
        divided: whether the last of them has to be there.

    Returns:
        Text columns ``path``, ``label`` and ``split``, or the first two.

    Raises:
        DataError: it is no such table; names the row.
    """
    read = TABLES.get(path.suffix.lower())
    if read is None:
        raise no_dataset(path)
    file = BytesIO(read_bytes(path))
    try:
        table = read(file, columns)
    except Exception as error:  # damaged tables end in many kinds of errors
        raise DataError(f"{path}: cannot be read ({one_line(error)})") from error
    if not divided and columns[-1] not in table.columns:
        columns = columns[:-1]
    missing = [name for name in columns if name not in table.columns]
    if missing:
        there = ", ".join(map(str, table.columns))
        told = f"; it has {there:.200}"
        if columns == COLUMNS:
            told = "; others are named by --image-column, --label-column and --split-column"
        raise DataError(f"{path}: no column {missing[0]}; expected {', '.join(columns)}{told}")
    table = table[list(columns)]
    try:
        texts = table.astype(str)
    except (*UNREADABLE, TypeError) as error:
        told = f"its columns are no text or numbers ({one_line(error)})"
        raise DataError(f"{path}: {told}") from error
    lacking = (table.isna() | (texts == "")).any(axis=1)
    if lacking.any():
        raise DataError(f"{path}: row {int(np.flatnonzero(lacking)[0]) + 1} lacks a value")
    return texts.set_axis(COLUMNS[: len(columns)], axis=1)


def list_table(
    table: pd.DataFrame,
    root: Path,
    where: Path,
    source: ImageSource | None = None,
    remarks: Sequence[str] = (),
) -> Listing:
    """Make a listing of text columns path, label and split.

    Args:
        table: with these columns.
        root: folder that the paths are relative to, or the file that holds the images.
        where: file or folder that it came from, for messages.
        source: of the images; by default the files in ``root``.
        remarks: on how the splits were made.

    Raises:
        DataError: a class is not in train, or a split is empty or lists an image twice.
    """
    unknown = sorted(set(table["split"]) - set(SPLITS))
    if unknown:
        raise DataError(f"{where}: split {unknown[0]!r:.60}; expected {', '.join(SPLITS)}")
    classes = _ordered(table.loc[table["split"] == "train", "label"].unique().tolist())
    labels = {name: label for label, name in enumerate(classes)}
    splits = {}
    for split in SPLITS:
        part = table[table["split"] == split]
        strange = sorted(set(part["label"]) - set(classes))
        if strange:
            raise DataError(f"{where}: class {strange[0]} of {split} does not occur in train")
        names = [check_name(name, str(where)) for name in part["path"]]
        splits[split] = make_split(
            where, zip(names, (labels[label] for label in part["label"]), strict=True)
        )
    return Listing(root, source or FolderSource(root), splits, classes, remarks=remarks)


def _ordered(labels: list[str]) -> list[str]:
    """Sort class names; numbers by their value."""
    if not all(label.isascii() and label.isdecimal() for label in labels):
        return sorted(labels)
    digits = {label: label.lstrip("0") for label in labels}  # too many for int are still a label
    return sorted(labels, key=lambda label: (len(digits[label]), digits[label]))


def no_dataset(path: Path) -> DataError:
    """Say what was expected of one's own data."""
    return DataError(
        f"{path}: expected a folder, .zip or .tar, or a table ending in {', '.join(TABLES)}"
    )
