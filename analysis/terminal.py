"""Show a table in a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from analysis.layout import SPREAD_MARK, Table
from sa2vp.text import printable

_GAP = 2  # blanks between columns: one of padding, one where other boxes draw a line


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    cells: list[str]
    is_number: bool
    opens_part: bool

    @property
    def width(self) -> int:
        """Characters the column takes."""
        return max(cell_len(line) for line in [*self.header.split("\n"), *self.cells])


def terminal_table(table: Table, width: int) -> Group:
    """Lay a table out within a width in characters.

    One that is too wide is folded: its columns continue below, with the rows named again.
    """
    text = table.text()
    columns = [
        _Column(
            _two_lines(printable(shown.header)),
            _aligned([printable(cell) for cell in text[shown.header]]),
            is_number=bool(shown.form),
            opens_part=shown.opens_part,
        )
        for shown in table.shown_columns()
    ]
    lines: list[RenderableType] = [Text(printable(table.title), style="bold")]
    for part in _fold(columns, width):
        lines += [_part(part, table.mean_rows()), ""]
    lines.append(Text(printable(table.caption), style="italic"))
    lines += [Text(f"- {printable(note)}") for note in table.notes]
    return Group(*lines)


def _two_lines(header: str) -> str:
    """Break a header of several words where its two lines come out shortest."""
    words = header.split()
    breaks = [(" ".join(words[:count]), " ".join(words[count:])) for count in range(1, len(words))]
    return "\n".join(min(breaks, key=lambda lines: max(map(len, lines)), default=(header,)))


def _aligned(cells: list[str]) -> list[str]:
    """Pad spreads, and cells without one, so that right-aligned values stand in line."""
    pairs = [cell.partition(SPREAD_MARK) for cell in cells]
    digits = max((len(spread) for _, _, spread in pairs), default=0)
    tail = len(SPREAD_MARK) + digits if digits else 0
    return [
        value + (f"{mark}{spread:>{digits}}" if mark else "").ljust(tail)
        for value, mark, spread in pairs
    ]


def _fold(columns: list[_Column], width: int) -> list[list[_Column]]:
    """Split columns into parts that fit the width, each led by the first column."""
    if _width(columns) <= width:
        return [columns]
    first, *others = columns
    parts = [[first]]
    for column in others:
        is_full = column.opens_part or _width([*parts[-1], column]) > width
        if is_full and len(parts[-1]) > 1:
            parts.append([first])
        parts[-1].append(column)
    return parts


def _width(columns: list[_Column]) -> int:
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)


def _part(columns: list[_Column], mean_rows: list[bool]) -> RichTable:
    part = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False
    )
    for column in columns:
        header = Text(column.header, justify="right" if column.is_number else "left")
        part.add_column(header, width=column.width, vertical="bottom")
    for number, is_mean in enumerate(mean_rows):
        if is_mean and not mean_rows[number - 1]:
            part.add_section()
        cells = [column.cells[number] for column in columns]
        if is_mean and not any(cells[1:]):
            continue
        padded = [
            cell.rjust(column.width) if column.is_number else cell
            for cell, column in zip(cells, columns, strict=True)
        ]
        part.add_row(*map(Text, padded), style="bold" if is_mean else None)
    return part
