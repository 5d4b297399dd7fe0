"""One's own data: a folder of class folders, or a table of paths, labels and splits."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from sa2vp.data.errors import DataError
from sa2vp.data.images.pillow import SUFFIXES
from sa2vp.data.images.source import FolderSource
from sa2vp.data.readers.base import SPLITS, Listing
from sa2vp.data.readers.entries import check_name, make_split, read_bytes
from sa2vp.files import write_file
from sa2vp.results.parquet import UNREADABLE
from sa2vp.suites import CUSTOM, Task
from sa2vp.text import one_line

SPLIT_FILE = "sa2vp-split.csv"
"""Where a split that is made here is written down, so that it is used again."""

SPLIT_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
COLUMNS = ["path", "label", "split"]
MAX_ROWS = 20_000_000
MAX_GIB = 4
"""Of a Parquet table's three columns, in memory: in a file, few bytes may stand for any number."""

SEED = 0
HELD_OUT = 0.4
"""Share of a folder's images that are not for training; half of them is val, half test."""


def _read_csv(file: BytesIO) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str, keep_default_na=False)  # a class may be NA


def _read_parquet(file: BytesIO) -> pd.DataFrame:
    """Read the columns that are used.

    Raises:
        ValueError: the file has a column twice, or would fill the memory: of its rows the metadata
            tell before anything is read.
    """
    content = pq.ParquetFile(file)
    rows = content.metadata.num_rows
    if rows > MAX_ROWS:
        raise ValueError(f"{rows:,} rows; at most {MAX_ROWS:,} are read")
    names = [name for name in content.schema_arrow.names if name in COLUMNS]
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


TABLES: dict[str, Callable[[BytesIO], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def custom_task(data: Path) -> Task:
    """Describe one's own data as a task.

    Args:
        data: a folder or a table, as :func:`read_custom` takes it.

    Raises:
        DataError: it is neither, or malformed.
    """
    listing = list_custom(data)
    name = re.sub(r"[^a-z0-9]+", "_", data.resolve().stem.lower()).strip("_")
    return CUSTOM.adopt(
        Task(
            name=name or CUSTOM.name,
            num_classes=len(listing.classes),
            summary=f"images of {data}",
            format="custom",
        )
    )


def read_custom(task: Task, data: Path) -> Listing:
    """List the images of one's own data; ``task`` is the one made of them."""
    del task
    return list_custom(data)


def list_custom(data: Path) -> Listing:
    """List images by their split and class.

    Args:
        data: a folder with ``train``, ``val`` and ``test``, each with a folder per class; a folder
            with ``train`` alone, or with the class folders themselves, which is split here, once;
            or a .csv or .parquet table with columns path, label and split, paths relative to it.

    Raises:
        DataError: it is none of these, or malformed; names the file or folder.
    """
    if not data.is_dir():
        return _from_table(data, data.parent)
    found = {
        split: next((data / name for name in names if (data / name).is_dir()), None)
        for split, names in SPLIT_FOLDERS.items()
    }
    if all(found.values()):
        frames = [
            _class_folders(data, folder).assign(split=s) for s, folder in found.items() if folder
        ]
        return _listing(pd.concat(frames), data, data)
    if found["val"] or found["test"]:
        missing = ", ".join(split for split, folder in found.items() if folder is None)
        raise DataError(
            f"{data}: has no folder {missing}; give train, val and test, or train alone"
        )
    if not (data / SPLIT_FILE).exists():
        _write_split(data, _class_folders(data, found["train"] or data))
    listing = _from_table(data / SPLIT_FILE, data)
    _check_complete(data, listing, _class_folders(data, found["train"] or data))
    return listing


def _class_folders(root: Path, folder: Path) -> pd.DataFrame:
    """List the images of class folders: path relative to ``root``, and label."""
    rows = [
        (check_name(path.relative_to(root).as_posix(), str(root)), of_class.name)
        for of_class in sorted(folder.iterdir())
        if of_class.is_dir() and not of_class.name.startswith(".")
        for path in sorted(of_class.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not rows:
        raise DataError(f"{folder}: no images in class folders; expected class/image.jpg")
    return pd.DataFrame(rows, columns=["path", "label"])


def _write_split(data: Path, images: pd.DataFrame) -> None:
    """Divide images by class, 60, 20 and 20 %, and write down how."""
    few = [label for label, count in Counter(images["label"]).items() if count < 5]
    if few:
        raise DataError(
            f"{data}: class {few[0]} has fewer than 5 images; give train, val and test folders"
        )
    rest, held_out = train_test_split(
        images, test_size=HELD_OUT, stratify=images["label"], random_state=SEED
    )
    val, test = train_test_split(
        held_out, test_size=0.5, stratify=held_out["label"], random_state=SEED
    )
    parts = zip((rest, val, test), SPLITS, strict=True)
    table = pd.concat([part.assign(split=split) for part, split in parts]).sort_values("path")
    try:
        # Names may hold line breaks.
        write_file(data / SPLIT_FILE, table.to_csv(index=False, quoting=csv.QUOTE_ALL).encode())
    except OSError as error:
        raise DataError(
            f"{data / SPLIT_FILE}: cannot be written ({error.strerror}); give a table of path, "
            "label and split instead of the folder"
        ) from error


def _check_complete(data: Path, listing: Listing, images: pd.DataFrame) -> None:
    """Refuse a written split of other images than there are now."""
    listed, there = set(listing.names(SPLITS)), set(images["path"])
    if listed != there:
        name = min(listed ^ there)
        raise DataError(
            f"{data / SPLIT_FILE}: {'lacks' if name in there else 'lists the missing'} {name}; "
            "delete the file to split anew"
        )


def _from_table(path: Path, root: Path) -> Listing:
    read = TABLES.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path}: expected a folder, or a table ending in {', '.join(TABLES)}")
    file = BytesIO(read_bytes(path))
    try:
        table = read(file)
    except Exception as error:  # damaged tables end in many kinds of errors
        raise DataError(f"{path}: cannot be read ({one_line(error)})") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(f"{path}: no column {missing[0]}; expected {', '.join(COLUMNS)}")
    try:
        texts = table[COLUMNS].astype(str)
    except (*UNREADABLE, TypeError) as error:
        told = f"its columns are no text or numbers ({one_line(error)})"
        raise DataError(f"{path}: {told}") from error
    lacking = (table[COLUMNS].isna() | (texts == "")).any(axis=1)
    if lacking.any():
        raise DataError(f"{path}: row {int(np.flatnonzero(lacking)[0]) + 1} lacks a value")
    return _listing(texts, root, path)


def _listing(table: pd.DataFrame, root: Path, where: Path) -> Listing:
    """Make a listing of text columns path, label and split."""
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
    return Listing(root, FolderSource(root), splits, classes)


def _ordered(labels: list[str]) -> list[str]:
    """Sort class names; numbers by their value."""
    if not all(label.isascii() and label.isdecimal() for label in labels):
        return sorted(labels)
    digits = {label: label.lstrip("0") for label in labels}  # too many for int are still a label
    return sorted(labels, key=lambda label: (len(digits[label]), digits[label]))
