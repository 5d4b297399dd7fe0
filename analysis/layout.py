"""A table as it is shown: a frame of numbers, and what to make of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

SPREAD_MARK = " ± "


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a table is shown.

    Attributes:
        header: as the reader sees it.
        key: the frame's column with the values.
        form: a format specification such as ``.1f``; empty for text.
        spread: the frame's column with the standard deviation, shown after the value; may be "".
        part: the frame's column that says what part of the whole the value is of, shown after it
            in brackets; may be "".
        opens_part: where the columns do not fit side by side, this one begins a part below.
    """

    header: str
    key: str
    form: str = ""
    spread: str = ""
    part: str = ""
    opens_part: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be rendered in any format.

    Attributes:
        name: the stem of its file.
        title: what it shows, in a few words.
        caption: one line on where its numbers come from.
        frame: the numbers; a column ``is_mean``, if there, marks the rows that average others.
        columns: what is shown of the frame, in order; the first names the row.
        notes: what a reader must know beside the numbers, a line each.
    """

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()

    def shown_columns(self) -> list[Column]:
        """List the first column and those that hold any value; empty ones only take room."""
        first, *others = self.columns
        return [first, *(column for column in others if self.frame[column.key].notna().any())]

    def text(self) -> pd.DataFrame:
        """Format every shown cell; the frame's columns are the headers, missing values are ""."""
        return pd.DataFrame(
            {
                column.header: [_cell(row, column) for row in self.frame.to_dict("records")]
                for column in self.shown_columns()
            },
            dtype=str,
        )

    def mean_rows(self) -> list[bool]:
        """Say for each row whether it averages others."""
        if "is_mean" not in self.frame:
            return [False] * len(self.frame)
        return [bool(mark) for mark in self.frame["is_mean"]]


def _cell(row: dict[Any, Any], column: Column) -> str:
    value, spread, part = (row.get(key) for key in (column.key, column.spread, column.part))
    if pd.isna(value):
        return ""
    text = format(value, column.form)
    if not pd.isna(spread):
        text += f"{SPREAD_MARK}{format(spread, column.form)}"
    return text if pd.isna(part) else f"{text} ({part})"
