"""What is printed: text from outside is never markup, and never reaches a terminal's controls."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import rich.console
from rich.protocol import is_renderable
from rich.text import Text

_FORMULA = re.compile(r"[=+\-@＝＋－＠]")  # noqa: RUF001 - spreadsheets take the wide ones, too
_NUMBERS = re.compile(r"[-+]?\d[\w.,%]*( [-+]?[\w.,%]+)*")


def printable(text: str) -> str:
    r"""Write what a terminal acts upon, or does not show, as an escape such as ``\x1b``.

    These are control characters, line ends among them, marks that turn the direction of text,
    and halves of surrogate pairs, which stand for bytes of file names that are not UTF-8.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    # All other blanks count as not printable, too.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


def for_spreadsheets(text: str) -> str:
    """Write text for a cell of a CSV file, which spreadsheets take for a formula otherwise.

    Returns:
        Printable text; what begins as formulas do, and not with a number and words, follows an
        apostrophe.
    """
    text = printable(text)
    is_formula = _FORMULA.match(text) and not _NUMBERS.fullmatch(text)
    return f"'{text}" if is_formula else text


class Console(rich.console.Console):  # noqa: TID251 - this one
    r"""A terminal that shows every string as it is, in one line; styles and line ends are ours.

    What has styles is a ``Text`` or a table; lines are given apart: ``print(*lines, sep="\n")``.

    Args:
        options: further ones of Rich's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "highlight": False, "emoji": False, **options})

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as Rich does; paths and errors are strings like others."""
        shown = [found if is_renderable(found) else str(found) for found in objects]
        super().print(*shown, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a string what is shown: Rich asks this of every string, also in a table's cells."""
        return super().render_str(printable(text), **options)

    def document(self, text: str) -> None:
        """Write a whole file's text, whose lines are its own."""
        self.file.write(text)
