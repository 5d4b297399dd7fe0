"""Each format: what is shown, and that nothing in a name can break it."""

import io

import pandas as pd
import pytest
from hostile import NASTY
from rich.console import Console

from analysis import render
from analysis.layout import Column, Table
from analysis.terminal import terminal_table


@pytest.fixture
def table() -> Table:
    frame = pd.DataFrame(
        {
            "task": [NASTY, "digits", "mean of 2 tasks"],
            "is_mean": [False, False, True],
            "mean": [92.04, 8.0, 50.02],
            "std": [12.0, None, None],
            "params": pd.array([202_200, None, None], dtype="Int64"),
            "empty": [None, None, None],
        }
    )
    columns = (
        Column("task_name", "task"),
        Column("test top-1", "mean", ".1f", "std"),
        Column("learned parameters", "params", ",d", opens_part=True),
        Column("unused", "empty", ".1f"),
    )
    return Table("demo", "Title & <i>", "Caption 100%", frame, columns, ("Note <script>",))


def shown(table: Table, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal_table(table, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_cells_are_formatted_and_empty_columns_left_out(table: Table) -> None:
    text = table.text()
    assert list(text.columns) == ["task_name", "test top-1", "learned parameters"]
    assert text["test top-1"].tolist() == ["92.0 ± 12.0", "8.0", "50.0"]
    assert text["learned parameters"].tolist() == ["202,200", "", ""]


def test_terminal_lines_values_up_and_shows_markup_as_it_is(table: Table) -> None:
    lines = shown(table, 100).splitlines()
    assert any(NASTY in line for line in lines)
    values = [line for line in lines if "± 12.0" in line or line.startswith(("digits", "mean of"))]
    assert len({line.index(".") for line in values}) == 1
    assert max(map(len, lines)) <= 100


def test_a_narrow_terminal_folds_the_columns(table: Table) -> None:
    lines = shown(table, 46).splitlines()
    assert sum(line.startswith("digits") for line in lines) == 2
    # Below, the mean row has nothing to show.
    assert sum(line.startswith("mean of 2 tasks") for line in lines) == 1
    assert max(map(len, lines)) <= 46


def test_markdown_escapes_pipes_and_tags(table: Table) -> None:
    lines = render.markdown([table]).splitlines()
    assert "| task_name | test top-1 | learned parameters |" in lines
    assert "| --- | ---: | ---: |" in lines
    assert r"| a_b\|c &amp; 50% &lt;b&gt;\$x\$&lt;/b&gt; \[red\] | 92.0 ± 12.0 | 202,200 |" in lines
    assert "- Note &lt;script&gt;" in lines


def test_csv_keeps_the_numbers_whole(table: Table) -> None:
    frame = pd.read_csv(io.StringIO(render.csv([table])))
    assert frame["mean"].tolist() == [92.04, 8.0, 50.02]
    assert frame["task"].tolist()[0] == NASTY


def test_several_csv_tables_are_named(table: Table) -> None:
    text = render.csv([table, table])
    assert text.count("# demo\n") == 2
    assert "\n\n# demo\n" in text
