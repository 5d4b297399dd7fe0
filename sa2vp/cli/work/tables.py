"""Shows a results folder's tables, or writes them in other formats, a report or recipes."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from analysis import latex, render
from analysis.frames import Results, ResultsError, ResultsNotFoundError, no_results, read_results
from analysis.layout import Table
from analysis.recipes import recipes as make_recipes
from analysis.report import report
from analysis.terminal import terminal_table
from sa2vp.cli.tables import FORMATS, TablesOptions
from sa2vp.cli.terminal import console, remarks
from sa2vp.files import make_folder, write_file
from sa2vp.options import OptionError

DEFAULT_RESULTS = "results"
PAGE = "report.html"
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


def reproduce(options: TablesOptions) -> int:
    """Show, write or watch what is asked for; give the exit code.

    Raises:
        OptionError: there are no such results, or files cannot be written.
    """
    results, recipes, table_format, out = (
        options.results, options.recipes, options.format, options.out,
    )  # fmt: skip
    if options.watch is not None and out is not None:
        keep_fresh(results, out, options.watch)
        return 0
    found = load(results)
    if recipes is not None:
        announce(write_recipes(found, recipes))
        remark(found, [])
        return 0
    tables = report(found)
    show(found, tables, table_format, out)
    remark(found, tables if table_format in {"csv", "parquet"} else [])
    if found.runs.empty:
        remarks.print(
            f"No runs in {found.location} yet: these are the published numbers. "
            "To make results: python run_search.py --suite demo"
        )
    return 0


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
        f"{table.name}.{FORMATS[table_format]}": SINGLE[table_format](table) for table in tables
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
        OptionError: there is none, or a file cannot be written.
    """
    texts = make_recipes(found.runs)
    if not texts:
        raise OptionError(
            "--recipes",
            f"{found.location} has no completed final run to repeat; run_search.py makes some",
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
        OptionError: the folder is missing, or what it holds cannot be read.
    """
    try:
        return read_results(location or DEFAULT_RESULTS)
    except ResultsNotFoundError as error:
        if location is None:
            return no_results(DEFAULT_RESULTS)
        raise OptionError(
            "--results", f"{error}; allowed: a folder that run_search.py wrote"
        ) from error
    except ResultsError as error:
        raise OptionError("--results", str(error)) from error


def write(files: Mapping[str, str | bytes], folder: Path, option: str) -> list[Path]:
    """Write files into a folder, each whole or not at all; return their paths.

    Raises:
        OptionError: a file cannot be written; names the option.
    """
    try:
        make_folder(folder)
        for name, content in files.items():
            write_file(folder / name, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise OptionError(option, f"cannot write there: {error}") from error
    return [folder / name for name in files]
