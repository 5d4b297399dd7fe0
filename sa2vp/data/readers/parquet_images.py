"""One's own data as Parquet files that hold the images, as Hugging Face's datasets are shared."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from threading import Lock

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sa2vp.data.errors import DataError
from sa2vp.data.images.pillow import open_image
from sa2vp.data.images.source import FolderSource, ImageSource, state_of
from sa2vp.data.readers.base import Listing, Reader
from sa2vp.data.readers.base.drawing import complete
from sa2vp.data.readers.base.layout import SPLIT_NAMES
from sa2vp.data.readers.base.tables import COLUMNS, MAX_ROWS, list_table
from sa2vp.files import open_regular
from sa2vp.suites import Task
from sa2vp.text import one_line

SHARD = re.compile(rf"({'|'.join(SPLIT_NAMES)})([-_.].*)?\.parquet")
"""What a file is called: its split, and which part of it."""

SPLIT_FILE = "sa2vp-split.csv"

ANY_MIB = 2**40
"""Of a file, which is never read whole."""

GROUP_MIB = 512
"""Of the images of a row group, the least that is read at once."""

GROUPS_KEPT = 2
"""Row groups that stay in memory, as images are asked for in about the order they lie in."""

ROWS_AT_ONCE = 8
"""Few, as a file may claim that each of them is large."""


class ParquetSource(ImageSource):
    """Images in a column of Parquet files; the name is ``file#row``.

    Args:
        folder: of the files.
        column: of the images.
        ends: of each file, by name, the rows at which its row groups end.
    """

    def __init__(self, folder: Path, column: str, ends: Mapping[str, Sequence[int]]) -> None:
        self._files = FolderSource(folder)
        self.location = self._files.location
        self._column = column
        self._ends = ends
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str, int], list[bytes | None]] = OrderedDict()

    def __reduce__(self) -> tuple[type, tuple[Path, str, Mapping[str, Sequence[int]]]]:
        """Leave the images that are kept behind."""
        return type(self), (Path(self.location), self._column, self._ends)

    def read(self, name: str) -> tuple[bytes, Image.Image]:
        """Read an image's bytes and open the image."""
        file, _, number = name.rpartition("#")
        row, ends = int(number), self._ends[file]
        group = bisect_right(ends, row)
        start = ends[group - 1] if group else 0
        content = self._group(file, group)[row - start]
        if not content:
            raise OSError("the file holds no bytes of it")
        return content, open_image(BytesIO(content))

    @contextmanager
    def open(self, name: str) -> Iterator[Image.Image]:
        """Open an image."""
        with self.read(name)[1] as image:
            yield image

    def stamp(self, name: str) -> str:
        """Give the state of the file."""
        return state_of(self._files.path(name.rpartition("#")[0]))

    def _group(self, file: str, group: int) -> list[bytes | None]:
        path = self._files.path(file)
        key = (path, state_of(path), group)
        with self._lock:
            if key not in self._kept:
                while len(self._kept) >= GROUPS_KEPT:
                    self._kept.popitem(last=False)
                self._kept[key] = self._load(path, group)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _load(self, path: str, group: int) -> list[bytes | None]:
        images: list[bytes | None] = []
        size = 0
        with open_regular(path, ANY_MIB) as file:
            batches = pq.ParquetFile(file).iter_batches(
                ROWS_AT_ONCE, row_groups=[group], columns=[self._column], use_threads=False
            )
            for batch in batches:
                size += batch.nbytes
                if size > GROUP_MIB * 2**20:
                    raise OSError(
                        f"its row group has more than {GROUP_MIB} MiB; write smaller ones"
                    )
                column = batch.column(0)
                if pa.types.is_struct(column.type):
                    column = column.field("bytes")
                images += column.to_pylist()
        return images


def _shards(data: Path) -> list[Path]:
    """Find the files, in the folder or in one below it."""
    if not data.is_dir():
        return []
    for pattern in ("*.parquet", "*/*.parquet"):
        found = [file for file in sorted(data.glob(pattern)) if SHARD.fullmatch(file.name)]
        if found:
            return found
    return []


def _read(task: Task, data: Path) -> Listing:
    """List the rows of all files; the splits are told by their names."""
    image, label, split = task.columns or ("", "", "")
    files = _shards(data)
    folders = sorted({file.parent for file in files})
    if len(folders) > 1:
        raise DataError(
            f"{data}: {folders[0].name} and {folders[1].name} both hold Parquet files; "
            f"give one, as --data-dir {folders[0]}"
        )
    if split:
        raise DataError(f"{data}: its splits are told by the names of files; no --split-column")
    rows: list[tuple[str, str, str]] = []
    ends: dict[str, list[int]] = {}
    source = FolderSource(data)
    for path in files:
        name = path.relative_to(data).as_posix()
        try:
            with open_regular(source.path(name), ANY_MIB) as file:
                content = pq.ParquetFile(file)
                if len(rows) + content.metadata.num_rows > MAX_ROWS:
                    raise DataError(f"{path}: more than {MAX_ROWS:,} rows")
                schema, features = content.schema_arrow, _features(content.schema_arrow)
                image, label = (
                    _image_column(path, schema, image),
                    _label_column(path, schema, features, label),
                )
                labels = _labels(path, content, label, features)
                metadata = content.metadata
                groups = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
        except DataError:
            raise
        except Exception as error:  # damaged files end in many kinds of errors
            raise DataError(f"{path}: cannot be read ({one_line(error)})") from error
        ends[name] = list(accumulate(groups))
        of = SPLIT_NAMES[re.split(r"[-_.]", path.name)[0]]
        rows += [(f"{name}#{row:08}", text, of) for row, text in enumerate(labels)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    images, remarks = complete(table, data, data / SPLIT_FILE)
    return list_table(images, data, data, ParquetSource(data, image, ends), remarks)


def _features(schema: pa.Schema) -> dict[str, list[str]]:
    """Give the names of the classes of each column that Hugging Face's datasets note any of."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            column: names
            for column, feature in noted.items()
            if feature.get("_type") == "ClassLabel"
            and isinstance(names := feature.get("names"), list)
            and all(isinstance(name, str) and name for name in names)
            and len(set(names)) == len(names)
        }
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}


def _image_column(path: Path, schema: pa.Schema, named: str) -> str:
    found: list[str] = [field.name for field in schema if _holds_bytes(field.type)]
    if named in found:
        return named
    if named or len(found) != 1:
        told = ", ".join(found) or "none"
        raise DataError(
            f"{path}: {named or '--image-column'} is needed to be a column of images; there are: "
            f"{told:.200}"
        )
    return found[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _label_column(
    path: Path, schema: pa.Schema, features: Mapping[str, list[str]], named: str
) -> str:
    if named in schema.names:
        return named
    usual: list[str] = [name for name in ("label", "labels") if name in schema.names]
    found = list(features) if len(features) == 1 else usual
    if named or len(found) != 1:
        there = ", ".join(schema.names)
        raise DataError(f"{path}: no column {named or 'label'}; name one of {there:.200}")
    return found[0]


def _labels(
    path: Path, content: pq.ParquetFile, column: str, features: Mapping[str, list[str]]
) -> list[str]:
    """Read the labels, and name them where the file says how."""
    names = features.get(column)
    texts: list[str] = []
    for batch in content.iter_batches(4096, columns=[column]):
        for value in batch.column(0).to_pylist():
            if not isinstance(value, (int, str)) or value == "":
                raise DataError(f"{path}: row {len(texts)}: {column} is no text or whole number")
            if names is not None and isinstance(value, int) and 0 <= value < len(names):
                texts.append(names[value])
            else:
                texts.append(str(value))
    return texts


READER = Reader(_read, recognises=lambda data: bool(_shards(data)), has_columns=True)
