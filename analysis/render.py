"""Write tables as Markdown, CSV or Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence

from analysis.layout import Table

_MARKDOWN = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", "\n": " "})


def markdown(tables: Sequence[Table]) -> str:
    """Write tables as Markdown pipe tables, each with its title, caption and notes."""
    return "\n".join(_markdown(table) for table in tables)


def csv(tables: Sequence[Table]) -> str:
    """Write the plain numbers, unrounded and without captions and notes.

    Several tables are set apart by a blank line, and each is led by a line ``# name``.
    """
    texts = [table.frame.to_csv(index=False, lineterminator="\n") for table in tables]
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
        [cell.translate(_MARKDOWN) for cell in row]
        for row in [text.columns.tolist(), *text.to_numpy().tolist()]
    ]
    rows.insert(1, rules)
    lines = [f"### {table.title.translate(_MARKDOWN)}", ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", table.caption.translate(_MARKDOWN), ""]
    if table.notes:
        lines += [*(f"- {note.translate(_MARKDOWN)}" for note in table.notes), ""]
    return "\n".join(lines)
