"""Write tables as LaTeX with booktabs: floats to be input, or a whole document."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.layout import Table

WIDE = 9
"""Columns from which on headers stand upright."""

_AT_MOST_THE_LINE = r"\ifdim\width>\linewidth\linewidth\else\width\fi"

DOCUMENT = "tables"
"""Stem of the document that inputs the tables' files."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "\N{EN DASH}": "--",
    "…": r"\ldots{}",
    "\n": " ",
    "\t": " ",
    **{character: f"\\{character}" for character in "{}$&#_%"},
}
_PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[a4paper, margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
"""


def document(bodies: Sequence[str]) -> str:
    """Write a whole document of tables, or of commands that input them."""
    # So many floats and no text between: each on a page of its own.
    return _PREAMBLE + "\n\\clearpage\n".join(bodies) + "\n\\end{document}\n"


def inputs(tables: Sequence[Table]) -> str:
    """Write the document that inputs each table's own file."""
    return document([f"\\input{{{table.name}}}" for table in tables])


def whole(tables: Sequence[Table]) -> str:
    """Write a document that holds the tables."""
    return document([table_float(table) for table in tables])


def table_float(table: Table) -> str:
    r"""Write a table as a float; the document needs the packages booktabs and graphicx."""
    text = table.text().map(escaped)
    columns = table.shown_columns()
    alignment = "".join("r" if column.form else "l" for column in columns)
    wide = len(columns) >= WIDE
    headers = [escaped(str(name)) for name in text.columns]
    if wide:
        headers = [headers[0], *(f"\\rotatebox{{90}}{{{name}}}" for name in headers[1:])]
    rows = [f"{' & '.join(row)} \\\\" for row in text.to_numpy().tolist()]
    marks = table.mean_rows()
    if any(marks) and not marks[0]:
        rows.insert(marks.index(True), "\\midrule")
    lines = [
        f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
        f"{' & '.join(headers)} \\\\",
        "\\midrule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
    ]
    tabular = f"\\resizebox{{{_AT_MOST_THE_LINE}}}{{!}}{{%\n" + "\n".join(lines) + "}"
    notes = "".join(f"\\par\\footnotesize {escaped(note)}\n" for note in table.notes)
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{escaped(table.title)}. {escaped(table.caption)}}}\n"
        f"\\label{{tab:{table.name}}}\n\\vspace{{1ex}}\n"
        f"{tabular}\n{notes}\\end{{table}}\n"
    )


def escaped(text: str) -> str:
    """Write text so that LaTeX prints it as it is.

    Letters beyond Latin-1, for which a document would need fonts of its own, and control
    characters become their numbers.
    """
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    number = ord(character)
    plain = 0x20 <= number < 0x7F or (0xC0 <= number <= 0xFF and character.isalpha())
    return character if plain else f"[U+{number:04X}]"
