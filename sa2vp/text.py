"""Text from outside, made fit for a terminal, a log or a spreadsheet."""

from __future__ import annotations

import re
import unicodedata

_FORMULA = re.compile(r"[=+\-@＝＋－＠]")  # noqa: RUF001 - spreadsheets take the wide ones, too
_NUMBERS = re.compile(r"[-+]?\d[\w.,%]*( [-+]?[\w.,%]+)*")


_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Persian, Hindi and others are spelled with them, and emoji of several parts."""


def one_line(error: object) -> str:
    """Join the lines of what an error says, or name its type where it says nothing."""
    lines = (line.strip() for line in re.split(r"[\r\n]+", str(error)))
    return " ".join(line for line in lines if line) or type(error).__name__


def printable(text: str) -> str:
    r"""Write what a terminal acts upon, or does not show, as an escape such as ``\x1b``.

    These are control characters, line ends among them, marks that turn the direction of text, other
    characters without a shape, except for the two that join letters or keep them apart, and halves
    of surrogate pairs, which stand for bytes of file names that are not UTF-8.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    # All other blanks count as not printable, too.
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
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
