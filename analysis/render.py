"""Write tables as Markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence

from analysis.layout import Table

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        **{character: f"\\{character}" for character in "{}$&#_%"},
    }
)
_MARKDOWN = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", "\n": " "})
_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 88rem; padding: 0 1rem }
section { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .5rem; text-align: left; white-space: nowrap }
th { border-bottom: 1px solid; min-width: 3rem; white-space: normal; vertical-align: bottom }
.number { text-align: right }
.mean { font-weight: 600 }
.caption, li { color: #555 }"""


def markdown(tables: Sequence[Table]) -> str:
    """Write tables as Markdown pipe tables, each with its title, caption and notes."""
    return "\n".join(_markdown(table) for table in tables)


def latex(tables: Sequence[Table]) -> str:
    r"""Write tables as LaTeX floats; the document needs ``\usepackage{booktabs}``."""
    return "\n".join(_latex(table) for table in tables)


def csv(tables: Sequence[Table]) -> str:
    """Write the plain numbers, unrounded and without captions and notes.

    Several tables are set apart by a blank line, and each is led by a line ``# name``.
    """
    texts = [table.frame.to_csv(index=False, lineterminator="\n") for table in tables]
    if len(tables) == 1:
        return texts[0]
    return "\n".join(f"# {table.name}\n{text}" for table, text in zip(tables, texts, strict=True))


def html_page(tables: Sequence[Table]) -> str:
    """Write tables as one HTML page that needs no other file; every text is escaped."""
    title = html.escape(tables[0].title if len(tables) == 1 else "SA2VP results")
    sections = "\n".join(_html_section(table) for table in tables)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
        f"<body>\n{sections}\n</body>\n</html>\n"
    )


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


def _latex(table: Table) -> str:
    text = table.text().map(lambda cell: cell.translate(_LATEX))
    text.columns = text.columns.str.translate(_LATEX)
    alignment = "".join("r" if column.form else "l" for column in table.shown_columns())
    # pandas' own escaping would leave ± to the reader's fonts, and it does not cover captions.
    tabular = text.to_latex(index=False, escape=False, column_format=alignment)
    notes = "".join(f"\\par\\footnotesize {note.translate(_LATEX)}\n" for note in table.notes)
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{table.title.translate(_LATEX)}. {table.caption.translate(_LATEX)}}}\n"
        f"\\label{{tab:{table.name}}}\n"
        f"{tabular}{notes}\\end{{table}}\n"
    )


def _html_section(table: Table) -> str:
    text = table.text()
    classes = [' class="number"' if column.form else "" for column in table.shown_columns()]
    header = "".join(
        f'<th scope="col"{kind}>{html.escape(name)}</th>'
        for name, kind in zip(text.columns, classes, strict=True)
    )
    rows = [
        ('<tr class="mean">' if is_mean else "<tr>")
        + "".join(
            f"<td{kind}>{html.escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True)
        )
        + "</tr>"
        for row, is_mean in zip(text.to_numpy().tolist(), table.mean_rows(), strict=True)
    ]
    notes = "".join(f"<li>{html.escape(note)}</li>\n" for note in table.notes)
    return (
        f"<section>\n<h2>{html.escape(table.title)}</h2>\n<table>\n"
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>\n"
        f'<p class="caption">{html.escape(table.caption)}</p>\n'
        + (f"<ul>\n{notes}</ul>\n" if notes else "")
        + "</section>"
    )
