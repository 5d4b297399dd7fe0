"""Text from file names and lists, fit for a line on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Write characters that a terminal would act on as escapes: a line break as ``\n``.

    Bytes of file names that are not UTF-8, which no terminal can be sent, are escaped too.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
