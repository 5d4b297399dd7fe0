"""Names and reasons in other people's rows are text in every format, and nothing else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import TEXTS, controls
from markupsafe import escape
from synthetic_results import epoch_rows, run_row

import reproduce_tables
from sa2vp.cli.commands import run
from sa2vp.printing import Console
from sa2vp.text import printable

STORED = [text for text in TEXTS if "\udcff" not in text]  # Parquet holds UTF-8
STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def foreign(write_results: Callable[..., Path]) -> Path:
    """Results whose every text but the runs' names is hostile, a task for each text."""
    rows = []
    for number, text in enumerate(STORED):
        texts = {"task": text, "versions": text, "commit": text, "method": "sa2vp"}
        rows += [
            run_row(f"demo-x-final-seed{number}", **texts),
            run_row(f"demo-x-search-{number:04}", **texts),
            run_row(f"demo-x-final-bad{number}", **texts, status="failed", reason=text),
        ]
    epochs = [row for run_ in rows for row in epoch_rows(run_["run_id"], 1.0)]
    return write_results(rows, epochs)


def output_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(reproduce_tables.app, "reproduce_tables.py", arguments) == 0
    printed = capsys.readouterr()
    assert not controls(printed.out + printed.err)
    return printed.out


@pytest.mark.parametrize("terminal", [True, False])
def test_the_terminal_shows_them(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    to = Console(file=io.StringIO(), force_terminal=terminal, width=400)
    monkeypatch.setattr("sa2vp.cli.work.tables.console", to)
    assert run(reproduce_tables.app, "reproduce_tables.py", ["--results", str(foreign)]) == 0
    assert isinstance(to.file, io.StringIO)
    shown = STYLES.sub("", to.file.getvalue())
    assert not controls(shown)
    for text in STORED:
        # A row in two tables; in captions and notes, no blank follows.
        assert sum(line.startswith(f"{printable(text)} ") for line in shown.splitlines()) == 2
    assert ("\x1b[1m" in to.file.getvalue()) == terminal


def test_markdown_has_a_cell_for_each(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = output_of(["--results", str(foreign), "--format", "md"], capsys)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    results = rows[: len(STORED) + 3]  # headers, rules and the row of means
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in results}) == 1
    assert r"| \[red\]x\[/red\] \[link=http://x\]y\[/link\] :smile: |" in shown
    assert r"| p\|ipe \`tick\` &lt;b onclick='x'&gt;&amp;amp; \*star\* \$x\$ \~ |" in shown
    assert r"\\r\\nsecond line\\u2028third\\x85fourth |" in shown


def test_csv_has_no_formula(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = output_of(["--results", str(foreign), "--format", "csv"], capsys)
    cells = [cell for row in csv.reader(io.StringIO(shown)) for cell in row]
    tasks = {f"'{text}" for text in STORED if text[0] in "=@+-"}
    assert len(tasks) == 4
    assert tasks < set(cells)
    assert not [cell for cell in cells if cell[:1] in {"=", "@", "+"} or cell.startswith("-2+")]
    assert printable(STORED[2]) in cells


@pytest.mark.parametrize("table_format", ["latex", "html"])
def test_latex_and_html_hold_no_control_either(
    foreign: Path, capsys: pytest.CaptureFixture[str], table_format: str
) -> None:
    shown = output_of(["--results", str(foreign), "--format", table_format], capsys)
    if table_format == "html":
        assert "<b onclick" not in shown
        for text in STORED:
            assert f">{escape(printable(text))}</td>" in shown
