"""What a results folder was searched with, so that a search is continued and never mixed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sa2vp.tuning.plan import PlanError, SearchPlan
from sa2vp.tuning.store import ResultsStore, StoreError


def stamp() -> str:
    """Name this moment, in a form that sorts and fits a folder name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def superseded_folder() -> str:
    """Name a new folder, inside the results, for runs that no longer count."""
    return f"superseded/{stamp()}"


def continue_or_refuse(
    store: ResultsStore, plan: SearchPlan, fingerprints: dict[str, str], *, fresh: bool
) -> int:
    """Note what the folder is searched with; refuse to mix it with anything else.

    Args:
        store: the results.
        plan: what is asked for.
        fingerprints: of each task's data.
        fresh: set aside what is there and start over.

    Returns:
        How many runs were set aside.

    Raises:
        PlanError: the folder holds the search of another configuration; names the first option
            that differs.
    """
    name = f"search-{plan.suite}.json"
    set_aside = _set_suite_aside(store, plan.suite, name) if fresh else 0
    try:
        noted: dict[str, str] = json.loads(store.read_text(name) or "{}")
    except json.JSONDecodeError as error:
        raise StoreError(f"{name} is damaged; move it away ({error})") from error
    asked = plan.identity(fingerprints)
    for key, value in asked.items():
        if noted.get(key, value) != value:
            raise PlanError(
                key if key.startswith("--") else "--results",
                f"{plan.results} holds a search with {_difference(key, noted[key], value)}; "
                "repeat that, choose another --results, or start over with --fresh",
            )
    store.write_text(name, json.dumps(noted | asked, indent=2))
    return set_aside


def _difference(key: str, noted: str, asked: str) -> str:
    if key == "--checkpoint" or not key.startswith("--"):
        return f"another {key.removeprefix('--')}"
    return f"{key} {noted}, not {asked}"


def _set_suite_aside(store: ResultsStore, suite: str, name: str) -> int:
    folder = superseded_folder()
    run_ids = [row.run_id for row in store.read_runs() if row.suite == suite]
    store.set_aside(run_ids, folder)
    store.move(name, f"{folder}/{name}")
    return len(run_ids)
