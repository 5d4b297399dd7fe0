"""Says which images a command could do nothing with."""

from __future__ import annotations

from collections.abc import Mapping

from sa2vp.cli.terminal import remarks


def left_out(reasons: Mapping[str, str], what: str) -> int:
    """Name the images that were left out; give the exit code."""
    for path, reason in sorted(reasons.items()):
        remarks.print(f"{what}: {path}: {reason}")
    return 1 if reasons else 0
