"""Names of runs, and of the files of a search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sa2vp.results.schema import Phase

PLAIN_METHOD = "sa2vp"
"""The method whose name is left out of the names of runs and files."""

_SUFFIX = r"(?:search-\d+|confirm-\d+-seed\d+|final-seed\d+)"


def search_name(suite: str, method: str) -> str:
    """Name the search of a suite with a method, in the names of files in the results."""
    return suite if method == PLAIN_METHOD else f"{suite}-{method}"


def make_run_id(
    suite: str, task: str, phase: Phase, number: int, seed: int, *, method: str = PLAIN_METHOD
) -> str:
    """Name a run.

    Args:
        suite: of the run.
        task: likewise.
        phase: likewise.
        number: of the trial within its task, from 0; of the trial that a confirming run repeats.
        seed: of the run; a trial's is not part of its name.
        method: of the run; SA2VP's is not part of its name.
    """
    suffix = {
        "search": f"{number:04d}",
        "confirm": f"{number:04d}-seed{seed}",
        "final": f"seed{seed}",
    }[phase]
    return f"{suite}-{task}{_part(method)}-{phase}-{suffix}"


def _part(method: str) -> str:
    return "" if method == PLAIN_METHOD else f"-{method}"


def task_of(run_id: str, suite: str, method: str = PLAIN_METHOD) -> str | None:
    """Give the task that a name of a suite's run holds, also where its row cannot be read."""
    pattern = rf"{re.escape(suite)}-(.+){re.escape(_part(method))}-{_SUFFIX}"
    named = re.fullmatch(pattern, run_id)
    return None if named is None else named[1]


def trial_number(run_id: str) -> int:
    """Give the number of a trial within its task, the first is 0, from its name or a repeat's."""
    numbers = re.search(r"-(\d+)(?:-seed\d+)?$", run_id)
    assert numbers is not None, run_id  # noqa: S101 - for the type checker
    return int(numbers[1])
