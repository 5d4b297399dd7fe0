"""What a results folder was searched with, so that a search is continued and never mixed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sa2vp.data.loading import load_task
from sa2vp.data.tasks import suite_tasks
from sa2vp.tuning.plan import PlanError, SearchPlan
from sa2vp.tuning.store import ResultsStore, StoreError


def stamp() -> str:
    """Name this moment, in a form that sorts and fits a folder name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def superseded_folder() -> str:
    """Name a new folder, inside the results, for runs that no longer count."""
    return f"superseded/{stamp()}"


@dataclass(frozen=True, slots=True)
class Session:
    """A plan and the results folder that it goes on with.

    Attributes:
        plan: what to do.
        store: the results.
        fingerprints: of each task's data.
        set_aside: how many earlier runs were moved to make room.
    """

    plan: SearchPlan
    store: ResultsStore
    fingerprints: dict[str, str]
    set_aside: int


def open_session(plan: SearchPlan, *, fresh: bool) -> Session:
    """Check the plan against its data and its results folder, before anything slow is imported.

    Args:
        plan: what is asked for.
        fresh: set aside what the folder holds and start over.

    Raises:
        PlanError: the folder cannot be used, or holds the search of another configuration.
    """
    tasks = suite_tasks(plan.suite, list(plan.tasks))
    fingerprints = {task.name: load_task(task).fingerprint for task in tasks}
    try:
        store = ResultsStore(plan.results)
        set_aside = continue_or_refuse(store, plan, fingerprints, fresh=fresh)
    except StoreError as error:
        raise PlanError("--results", str(error)) from error
    return Session(plan, store, fingerprints, set_aside)


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
    if not store.run_ids(plan.suite):
        noted = {}  # a search that was refused later, or stopped at once, left nothing to mix with
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
    run_ids = store.run_ids(suite)
    store.set_aside(run_ids, folder)
    store.move(name, f"{folder}/{name}")
    return len(run_ids)
