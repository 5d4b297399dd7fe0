"""Matplotlib figures as SVG that lives inside a page, with its colours and fonts."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sa2vp.text import printable

INK = "#010203"
"""Becomes the colour of the page's text, in light and dark."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Told apart by colour-blind readers (Okabe and Ito), and seen on white and black."""

WIDTH, HEIGHT = 4.6, 3.0  # inches; on a phone's screen its text is as large as the page's

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@contextmanager
def drawing(title: str, height: float = HEIGHT) -> Iterator[tuple[Axes, Callable[[], str]]]:
    """Draw one chart.

    Args:
        title: for readers who do not see it.
        height: in inches.

    Yields:
        Where to draw, and what gives the SVG's text once it is drawn.
    """
    title = printable(title)
    with mpl.rc_context({**_STYLE, "svg.hashsalt": title}), warnings.catch_warnings():
        # The page's fonts draw the text; Matplotlib's, which may lack letters, only measure it.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.subplots(), lambda: _inline(figure, title)


def _inline(figure: Figure, title: str) -> str:
    with io.StringIO() as file:
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Title": title}
        )
        text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img"', text, count=1)
    return text.replace(INK, "currentColor")
