"""What was found: a line for each thing that was looked at, as a table, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table

from sa2vp.files import write_file

State = Literal["ok", "wrong", "told", "skipped"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at.

    Attributes:
        check: what kind of thing.
        what: the thing.
        found: what was found, with its unit.
        state: ``told`` where nothing can be wrong with it.
    """

    check: str
    what: str
    found: str
    state: State = "told"


def judged(check: str, what: str, found: str, *, good: bool) -> Line:
    """Make a line of something that is right or wrong."""
    return Line(check, what, found, "ok" if good else "wrong")


def first_wrong(lines: Iterable[Line]) -> Line | None:
    """Give the first line that is wrong."""
    return next((line for line in lines if line.state == "wrong"), None)


def as_table(lines: Sequence[Line]) -> Table:
    """Lay lines out for the terminal."""
    table = Table("check", "what", "found", "")
    for line in lines:
        shown = "" if line.state == "told" else line.state
        table.add_row(line.check, line.what, line.found, shown)
    return table


def as_markdown(lines: Sequence[Line]) -> str:
    """Lay lines out for a document."""
    rows = ["| check | what | found | |", "| --- | --- | --- | --- |"]
    for line in lines:
        cells = (line.check, line.what, line.found, "" if line.state == "told" else line.state)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def write_report(lines: Sequence[Line], folder: Path) -> None:
    """Write ``doctor.json`` and ``doctor.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps([asdict(line) for line in lines], indent=2)
    write_file(folder / "doctor.json", content.encode())
    write_file(folder / "doctor.md", as_markdown(lines).encode())
