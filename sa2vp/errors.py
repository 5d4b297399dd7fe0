"""What every command turns into one line on stderr and exit code 2."""

from __future__ import annotations


class Refused(ValueError):  # noqa: N818 - not the program's error, but the user's
    """What was asked for and cannot be done; the message names the option or file and the fix."""
