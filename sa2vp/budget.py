"""How much a task's search may take: epochs or seconds, as an end beside the number of trials."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_UNITS = {"ep": None, "s": 1, "m": 60, "h": 3600}


class _Spent(Protocol):
    """What a run has taken so far."""

    epochs_done: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Budget:
    """The end of a task's search: one of its attributes is set.

    Attributes:
        epochs: trained in all of the task's trials.
        seconds: that these epochs took.
    """

    epochs: int | None = None
    seconds: int | None = None

    @classmethod
    def of(cls, text: str) -> Budget:
        """Read what ``--budget`` says: ``400ep``, ``90s``, ``30m`` or ``2h``.

        Raises:
            ValueError: it is none of these.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,8})(ep|s|m|h)", text.strip())
        if found is None:
            raise ValueError(
                f"must be epochs or a time, such as 400ep, 90s, 30m or 2h, got {text!r:.60}"
            )
        count, unit = int(found[1]), _UNITS[found[2]]
        return cls(epochs=count) if unit is None else cls(seconds=count * unit)

    def is_spent(self, trials: Iterable[_Spent]) -> bool:
        """Tell whether a task's trials have reached it; those under way end as they would."""
        rows = list(trials)
        if self.epochs is not None:
            return sum(row.epochs_done for row in rows) >= self.epochs
        return sum(row.seconds for row in rows) >= (self.seconds or 0)

    def epochs_left(self, trials: Iterable[_Spent], pace: float) -> float:
        """Say how many epochs a task's trials have left.

        Args:
            trials: of the task so far.
            pace: seconds an epoch.
        """
        rows = list(trials)
        if self.epochs is not None:
            return max(0, self.epochs - sum(row.epochs_done for row in rows))
        return max(0.0, (self.seconds or 0) - sum(row.seconds for row in rows)) / pace
