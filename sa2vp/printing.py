"""What is printed: text from outside is never markup, and never reaches a terminal's controls."""

from __future__ import annotations

from typing import Any

import rich.console
from rich.protocol import is_renderable
from rich.text import Text

from sa2vp.text import printable


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
