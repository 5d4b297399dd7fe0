"""Show a results folder's tables, or write them in other formats, a report or recipes."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from analysis import latex, render
from analysis.frames import Results, ResultsError, ResultsNotFoundError, no_results, read_results
from analysis.layout import Table
from analysis.recipes import recipes as make_recipes
from analysis.report import report
from analysis.terminal import terminal_table
from command_line import run
from sa2vp.cli.terminal import remarks
from sa2vp.files import make_folder, write_file
from sa2vp.printing import Console

DEFAULT_RESULTS = "results"
PAGE = "report.html"
DAY = 86_400
MANY_FILES = 5_000
"""Of one run each: with more, opening them is most of the time that the tables take."""

WHOLE: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "md": render.markdown,
    "latex": latex.whole,
    "csv": render.csv,
}
"""What writes tables as one text."""

SINGLE: Mapping[str, Callable[[Table], str | bytes]] = {
    "md": lambda table: render.markdown([table]),
    "latex": latex.table_float,
    "csv": lambda table: render.csv([table]),
    "parquet": render.parquet,
}
"""What writes the file of a table."""

SUFFIXES = {"md": "md", "latex": "tex", "csv": "csv", "parquet": "parquet"}
"""Of the files, one per table; HTML is one page."""

ALLOWED = (*SUFFIXES, "html")

console = Console()
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
            "--format", metavar="|".join(ALLOWED), help="Instead of tables for the terminal."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --format: files here, not stdout."),
    ] = None,
    recipes: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only write what run_search.py --recipe retrains, here."),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="With --format html --out: make the page anew so often."
        ),
    ] = None,
) -> None:
    """Show the tables that the results give; without results, the published numbers."""
    check_options(table_format, out, watch)
    if watch is not None and out is not None:
        keep_fresh(results, out, watch)
        return
    found = load(results)
    if recipes is not None:
        announce(write_recipes(found, recipes))
        remark(found, [])
        return
    tables = report(found)
    show(found, tables, table_format, out)
    remark(found, tables if table_format in {"csv", "parquet"} else [])
    if found.runs.empty:
        remarks.print(
            f"No runs in {found.location} yet: these are the published numbers. "
            "To make results: python run_search.py --suite demo"
        )


def check_options(table_format: str | None, out: Path | None, watch: float | None) -> None:
    """Refuse options that do not fit each other.

    Raises:
        typer.BadParameter: names the option.
    """
    allowed = ", ".join(ALLOWED)
    if table_format is not None and table_format not in ALLOWED:
        raise typer.BadParameter(f"{table_format!r} is not one of {allowed}", param_hint="--format")
    if table_format is None and out is not None:
        raise typer.BadParameter(f"needs --format, one of {allowed}", param_hint="--out")
    if table_format == "parquet" and out is None:
        raise typer.BadParameter("parquet is for files; add --out DIR", param_hint="--format")
    if watch is None:
        return
    if table_format != "html" or out is None:
        raise typer.BadParameter("needs --format html and --out DIR", param_hint="--watch")
    if not 1 <= watch <= DAY:
        raise typer.BadParameter(
            f"must be from 1 to {DAY:,} seconds, got {watch:g}", param_hint="--watch"
        )


def show(
    found: Results, tables: Sequence[Table], table_format: str | None, out: Path | None
) -> None:
    """Print the tables, or write them where asked."""
    if table_format is None:
        for table in tables:
            console.print(terminal_table(table, console.width), "")
    elif out is not None:
        announce(write(files_of(found, tables, table_format), out, "--out"))
    elif table_format == "html":
        console.document(page(found, tables))
    else:
        console.document(WHOLE[table_format](tables))


def announce(paths: Sequence[Path]) -> None:
    """Print the paths of what was written."""
    for path in paths:
        console.print(path, soft_wrap=True)


def page(found: Results, tables: Sequence[Table], refresh_seconds: int | None = None) -> str:
    """Write the report as one HTML page."""
    from analysis.page import html_report  # noqa: PLC0415 - its charts are slow to import

    return html_report(found, list(tables), refresh_seconds)


def files_of(found: Results, tables: Sequence[Table], table_format: str) -> dict[str, str | bytes]:
    """Give the files of a format: one per table, or the page."""
    if table_format == "html":
        return {PAGE: page(found, tables)}
    files = {
        f"{table.name}.{SUFFIXES[table_format]}": SINGLE[table_format](table) for table in tables
    }
    if table_format == "latex":
        files[f"{latex.DOCUMENT}.tex"] = latex.inputs(tables)
    return files


def keep_fresh(results: str | None, out: Path, seconds: float) -> None:
    """Make the page anew again and again, until Ctrl-C; the last one does not load itself again."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background ignores Ctrl-C otherwise
        signal.signal(number, signal.default_int_handler)
    remarks.print(f"{out / PAGE}: made anew every {seconds:g} s, until Ctrl-C")
    said: set[str] = set()
    try:
        while True:
            found = load(results)
            text = page(found, report(found), refresh_seconds=max(1, round(seconds)))
            write({PAGE: text}, out, "--out")
            for warning in found.warnings:
                if warning not in said:
                    remarks.print(f"warning: {warning}")
            said |= set(found.warnings)
            time.sleep(seconds)
    except KeyboardInterrupt:
        found = load(results)
        announce(write({PAGE: page(found, report(found))}, out, "--out"))


def write_recipes(found: Results, folder: Path) -> list[Path]:
    """Write a recipe for each task whose final runs tell all that it needs.

    Raises:
        typer.BadParameter: there is none, or a file cannot be written.
    """
    texts = make_recipes(found.runs)
    if not texts:
        raise typer.BadParameter(
            f"{found.location} has no completed final run to repeat; run_search.py makes some",
            param_hint="--recipes",
        )
    return write(texts, folder, "--recipes")


def remark(found: Results, noted: Sequence[Table]) -> None:
    """Say on stderr what the output has no place for: unreadable files, these tables' notes."""
    for warning in found.warnings:
        remarks.print(f"warning: {warning}")
    for table in noted:
        for note in table.notes:
            remarks.print(f"{table.name}: {note}")
    if found.single_files > MANY_FILES and "://" not in found.location:
        remarks.print(
            f"{found.single_files:,} runs lie in files of their own. Faster the next time, after: "
            f"sa2vp pack --results {shlex.quote(found.location)}"
        )


def load(location: str | None) -> Results:
    """Read the results; only the default folder may be missing.

    Raises:
        typer.BadParameter: the folder is missing, or what it holds cannot be read.
    """
    try:
        return read_results(location or DEFAULT_RESULTS)
    except ResultsNotFoundError as error:
        if location is None:
            return no_results(DEFAULT_RESULTS)
        raise typer.BadParameter(
            f"{error}; allowed: a folder that run_search.py wrote", param_hint="--results"
        ) from error
    except ResultsError as error:
        raise typer.BadParameter(str(error), param_hint="--results") from error


def write(files: Mapping[str, str | bytes], folder: Path, option: str) -> list[Path]:
    """Write files into a folder, each whole or not at all; return their paths.

    Raises:
        typer.BadParameter: a file cannot be written; names the option.
    """
    try:
        make_folder(folder)
        for name, content in files.items():
            write_file(folder / name, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise typer.BadParameter(f"cannot write there: {error}", param_hint=option) from error
    return [folder / name for name in files]


if __name__ == "__main__":
    sys.exit(run(app, "reproduce_tables.py", sys.argv[1:]))
