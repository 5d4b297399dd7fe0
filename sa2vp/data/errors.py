"""What data that cannot be used end in."""

from __future__ import annotations

from sa2vp.text import printable

NAMED = 5
"""Unreadable images that a message names; the others it counts."""


class DataError(ValueError):
    """Data that cannot be used; one line that names the file or folder and the fix."""

    def __str__(self) -> str:
        """Give the line; names in it may hold anything."""
        return printable(super().__str__())


class UnreadableImageError(DataError):
    """An image that cannot be decoded whole.

    Attributes:
        name: as the source knows it.
        reason: in a few words.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return printable(f"{self.name}: {self.reason}")


class UnreadableImagesError(DataError):
    """All the images of a dataset that cannot be decoded whole; the message names the first.

    Attributes:
        reasons: of every one, by name.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons

    def __str__(self) -> str:
        lines = [f"{name}: {reason}" for name, reason in self.reasons.items()]
        more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
        count = f"{len(lines)} images" if len(lines) > 1 else "an image"
        named = "; ".join(lines[:NAMED] + more)
        return printable(f"{count} cannot be decoded; repair or replace: {named}")
