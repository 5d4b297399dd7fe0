"""The error that every command turns into one line and exit code 2."""

from __future__ import annotations

from sa2vp.errors import Refused


class UseError(Refused):
    """What cannot be used; the message names the file, run or option, and what to do about it."""


def shortened(names: list[str], limit: int = 5) -> str:
    """List names in one line, the last of many as a count."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
