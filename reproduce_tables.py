"""Show the tables of a results folder, or write them as Markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from analysis import render
from analysis.frames import Results, ResultsError, ResultsNotFoundError, no_results, read_results
from analysis.layout import Table
from analysis.report import report
from analysis.terminal import terminal_table
from command_line import remarks, run

DEFAULT_RESULTS = "results"

# Each format's file suffix, and the function that writes it.
FORMATS = {
    "md": ("md", render.markdown),
    "latex": ("tex", render.latex),
    "csv": ("csv", render.csv),
    "html": ("html", render.html_page),
}

console = Console(highlight=False, markup=False)
app = typer.Typer(add_completion=False)


@app.command()
def main(
    results: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="What run_search.py wrote, a path or URI. Default: results."
        ),
    ] = None,
    table_format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="|".join(FORMATS), help="Instead of tables for the terminal."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --format: a file per table here, not stdout."),
    ] = None,
) -> None:
    """Show the tables that the results give; without results, the published numbers."""
    allowed = ", ".join(FORMATS)
    if table_format is None and out is not None:
        raise typer.BadParameter(f"needs --format, one of {allowed}", param_hint="--out")
    if table_format is not None and table_format not in FORMATS:
        raise typer.BadParameter(f"{table_format!r} is not one of {allowed}", param_hint="--format")
    found = load(results)
    tables = report(found, results or DEFAULT_RESULTS)
    if table_format is None:
        for table in tables:
            console.print(terminal_table(table, console.width), "")
    elif out is None:
        console.out(FORMATS[table_format][1](tables), end="")
    else:
        for path in write_tables(tables, table_format, out):
            console.out(path)
    remark(found, tables if table_format == "csv" else [])
    if found.runs.empty:
        remarks.print(
            f"No runs in {results or DEFAULT_RESULTS} yet: these are the published numbers. "
            "To make results: python run_search.py --suite demo"
        )


def remark(found: Results, noted: Sequence[Table]) -> None:
    """Say on stderr what the output has no place for: unreadable files, these tables' notes."""
    for warning in found.warnings:
        remarks.print(f"warning: {warning}")
    for table in noted:
        for note in table.notes:
            remarks.print(f"{table.name}: {note}")


def load(location: str | None) -> Results:
    """Read the results; only the default folder may be missing.

    Raises:
        typer.BadParameter: the folder is missing, or what it holds cannot be read.
    """
    try:
        return read_results(location or DEFAULT_RESULTS)
    except ResultsNotFoundError as error:
        if location is None:
            return no_results()
        raise typer.BadParameter(
            f"{error}; allowed: a folder that run_search.py wrote", param_hint="--results"
        ) from error
    except ResultsError as error:
        raise typer.BadParameter(str(error), param_hint="--results") from error


def write_tables(tables: Sequence[Table], table_format: str, folder: Path) -> list[Path]:
    """Write a file per table, each whole or not at all; return their paths.

    Raises:
        typer.BadParameter: a file cannot be written.
    """
    suffix, render_tables = FORMATS[table_format]
    texts = {folder / f"{table.name}.{suffix}": render_tables([table]) for table in tables}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            write_whole(path, text)
    except OSError as error:
        raise typer.BadParameter(f"cannot write there: {error}", param_hint="--out") from error
    return list(texts)


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader finds the old content or the new, nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(run(app, "reproduce_tables.py", sys.argv[1:]))
