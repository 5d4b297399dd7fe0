"""Using what a search found: exported models, predictions, and where the fusions look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sa2vp.use.card import Card, read_card
from sa2vp.use.errors import UseError

if TYPE_CHECKING:
    from sa2vp.use.model import load_exported

__all__ = ["Card", "UseError", "load_exported", "read_card"]


def __getattr__(name: str) -> Any:
    """Import what needs torch once it is asked for: the command line refuses options before."""
    if name == "load_exported":
        from sa2vp.use.model import load_exported  # noqa: PLC0415 - see above

        return load_exported
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
