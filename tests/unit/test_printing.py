"""Whatever a name or reason holds, the terminal shows it as text, in one line."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePath

import pytest
from hostile import FORBIDDEN, TEXTS, controls
from rich.table import Table
from rows import epoch_row, run_row

from sa2vp.cli import terminal
from sa2vp.printing import Console
from sa2vp.results.store import ResultsStore
from sa2vp.text import for_spreadsheets, one_line, printable
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.progress import Progress
from sa2vp.tuning.record import RunRecord

STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""What Rich itself writes to a terminal: styles, and where its cursor goes."""


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=400)


def printed(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return STYLES.sub("", to.file.getvalue())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ±, 猫, é and a\N{NO-BREAK SPACE}b", "plain, ±, 猫, é and a\N{NO-BREAK SPACE}b"),
        ("[red]\\n", "[red]\\n"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x85\u2028\u202e\u200b", r"\x85\u2028\u202e\u200b"),
        ("\udcff", r"\udcff"),
    ],
)
def test_controls_become_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_every_way_of_printing_shows_text_as_it_is(text: str, terminal: bool) -> None:
    to = console(terminal=terminal)
    table = Table("name", title=text)
    table.add_row(text)
    for shown in (text, PurePath(text), ValueError(text), table):
        to.print(shown)
    lines = printed(to).splitlines()
    assert len([line for line in lines if printable(text) in line]) == 5 - ("//" in text)  # a path
    assert not controls(printed(to).replace("\n", ""))


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_progress_shows_whatever_ended_a_run(tmp_path: Path, text: str, terminal: bool) -> None:
    plan = make_plan(suite="demo", tasks="digits", results=str(tmp_path))
    rows = (replace(plan.task_rows[0], name=text),)
    plan = replace(plan, task_rows=rows, spaces={text: plan.space("digits")})
    record = RunRecord(ResultsStore(str(tmp_path)), "demo")
    to = console(terminal=terminal)
    with Progress(plan, record, to, slots=1) as progress:
        done = {"status": "failed", "reason": text, "finished_at": datetime(2026, 1, 1, tzinfo=UTC)}
        record.runs["demo-x-search-0000"] = run_row("demo-x-search-0000", task=text, **done)
        record.epochs["demo-x-search-0000"] = [epoch_row("demo-x-search-0000", 1)]
        progress.changed()
    found = printed(to).replace("\r", "")  # which the live table begins its lines with
    assert printable(text) in found
    assert terminal or f"failed after 0 epochs ({printable(text)}); inter_dim 8" in found
    assert not controls(found)


@pytest.mark.parametrize("joiner", ["\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"])
def test_what_words_and_emoji_are_spelled_with_stays(joiner: str) -> None:
    text = f"می{joiner}خواهم 👩{joiner}🔬"
    assert printable(text) == text
    to = console(terminal=False)
    to.print(text)
    assert printed(to) == f"{text}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\n   second \r\n\n\tthird"), "first second third"),
        (ValueError("two  blanks"), "two  blanks"),
        (ValueError(" \n"), "ValueError"),
        (EOFError(), "EOFError"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


def test_a_refusal_keeps_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.refuse("sa2vp", ValueError("two  blanks.png: no\n such file")) == 2
    assert capsys.readouterr().err == "sa2vp: two  blanks.png: no such file\n"


def test_a_refusal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.refuse("sa2vp", ValueError("".join(TEXTS))) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert not set(told).intersection(FORBIDDEN)
    assert "[/a/pair.cc:575] Connection closed by peer[red]x[/red]" in told


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+A1", "'-2+3+A1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("\t=1", r"\t=1"),
        ("-0.3 to +1.2, within noise", "-0.3 to +1.2, within noise"),
        ("-0.3", "-0.3"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_text_is_no_formula(text: str, cell: str) -> None:
    assert for_spreadsheets(text) == cell
