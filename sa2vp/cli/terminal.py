"""What all commands say to the terminal, and their exit codes."""

from __future__ import annotations

from sa2vp.printing import Console
from sa2vp.text import one_line

REFUSED = 2
"""The exit code where what was asked for cannot be done."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells report it."""

console = Console()
remarks = Console(soft_wrap=True, stderr=True)


def refuse(name: str, problem: object) -> int:
    """Say in one line why a command cannot be followed; return its exit code."""
    remarks.print(f"{name}: {one_line(problem)}")
    return REFUSED
