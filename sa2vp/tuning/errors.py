"""What a plan that cannot be followed ends in."""

from __future__ import annotations


class PlanError(ValueError):
    """An option that cannot be followed.

    Args:
        option: as typed, such as ``--suite``.
        problem: what is wrong and what is allowed, in one line.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
