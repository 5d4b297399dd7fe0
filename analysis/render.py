"""Write tables as Markdown, CSV or Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pandas as pd

from analysis.layout import Table
from sa2vp.text import for_spreadsheets, printable

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKS = re.compile(r"[\\|`*~$\[\]]|(?<!\w)_|_(?!\w)")  # an underscore within a word is none


def markdown(tables: Sequence[Table]) -> str:
    """Write tables as Markdown pipe tables, each with its title, caption and notes."""
    return "\n".join(_markdown(table) for table in tables)


def csv(tables: Sequence[Table]) -> str:
    """Write the plain numbers, unrounded and without captions and notes.

    Text is in one line and no formula. Several tables are set apart by a blank line, and each is
    led by a line ``# name``.
    """
    texts = [
        _in_plain_cells(table.frame).to_csv(index=False, lineterminator="\n") for table in tables
    ]
    if len(tables) == 1:
        return texts[0]
    return "\n".join(f"# {table.name}\n{text}" for table, text in zip(tables, texts, strict=True))


def parquet(table: Table) -> bytes:
    """Write a table's plain numbers as a Parquet file."""
    buffer = io.BytesIO()
    table.frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _markdown(table: Table) -> str:
    text = table.text()
    rules = ["---:" if column.form else "---" for column in table.shown_columns()]
    rows = [
        [_escaped(cell) for cell in row]
        for row in [text.columns.tolist(), *text.to_numpy().tolist()]
    ]
    rows.insert(1, rules)
    lines = [f"### {_escaped(table.title)}", ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", _escaped(table.caption), ""]
    if table.notes:
        lines += [*(f"- {_escaped(note)}" for note in table.notes), ""]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Write text so that Markdown shows it as it is, in one line."""
    return _MARKS.sub(r"\\\g<0>", printable(text)).translate(_ENTITIES)


def _in_plain_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Make text fit for cells of a CSV file; numbers stay as they are."""
    text = frame.select_dtypes(["object", "string"])
    safe = text.map(lambda cell: for_spreadsheets(cell) if isinstance(cell, str) else cell)
    return frame.assign(**safe)
