"""What a results folder was searched with, so that a search is continued and never mixed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from sa2vp.data.fingerprint import Manifest, what_changed
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData
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
        data: what its tasks' data is.
        set_aside: how many earlier runs were moved to make room.
        lock: held as long as the session lives; None in an object store.
    """

    plan: SearchPlan
    store: ResultsStore
    data: PlanData
    set_aside: int
    lock: FileLock | None = None


def open_session(plan: SearchPlan, data: PlanData, *, fresh: bool) -> Session:
    """Check the plan and its data against its results folder, before anything slow is imported.

    Args:
        plan: what is asked for.
        data: what its tasks' data is.
        fresh: set aside what the folder holds and start over.

    Raises:
        PlanError: the folder cannot be used, or holds the search of another configuration.
    """
    try:
        store = ResultsStore(plan.results)
        lock = hold_results(store, plan.suite)
        set_aside = continue_or_refuse(store, plan, data, fresh=fresh)
    except OSError as error:  # a StoreError among them
        raise PlanError("--results", str(error)) from error
    return Session(plan, store, data, set_aside, lock)


def hold_results(store: ResultsStore, suite: str) -> FileLock | None:
    """Keep other searches of the suite out of a results folder for as long as this process lives.

    Returns:
        What is held; None in an object store, where nothing can be.

    Raises:
        PlanError: another search holds it.
    """
    if store.local_folder is None:
        return None
    store.local_folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.local_folder / f".search-{suite}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise PlanError(
            "--results",
            f"{store.uri} is being searched by another run_search.py; wait for it, or choose "
            "another --results",
        ) from error
    return lock


def continue_or_refuse(
    store: ResultsStore, plan: SearchPlan, data: PlanData, *, fresh: bool
) -> int:
    """Note what the folder is searched with; refuse to mix it with anything else.

    Args:
        store: the results.
        plan: what is asked for.
        data: what its tasks' data is.
        fresh: set aside what is there and start over.

    Returns:
        How many runs were set aside.

    Raises:
        PlanError: the folder holds the search of another configuration; names the first option
            that differs.
    """
    name = f"search-{plan.suite}.json"
    set_aside = _set_suite_aside(store, plan.suite) if fresh else 0
    noted: dict[str, str] = read_json(store, name)
    if not store.run_ids(plan.suite):
        noted = {}  # a search that was refused later, or stopped at once, left nothing to mix with
    asked = plan.identity(data.fingerprints)
    for key, value in asked.items():
        if noted.get(key, value) != value:
            raise PlanError(
                key if key.startswith("--") else "--results",
                f"{plan.results} holds a search with {_difference(key, noted[key], value)}"
                f"{_changes(store, plan, data, key)}; "
                "repeat that, choose another --results, or start over with --fresh",
            )
    store.write_text(name, json.dumps(noted | asked, indent=2))
    known = read_json(store, data_file(plan.suite))
    store.write_text(data_file(plan.suite), json.dumps(known | data.described(), indent=2))
    return set_aside


def data_file(suite: str) -> str:
    """Name the file in the results that says what a suite's data is, by task."""
    return f"data-{suite}.json"


def study_file(suite: str) -> str:
    """Name the file in the results that holds a suite's Optuna studies."""
    return f"optuna-{suite}.log"


def read_json(store: ResultsStore, name: str) -> dict[str, Any]:
    """Read an object; an empty one where there is no file.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        found = json.loads(store.read_text(name) or "{}")
    except (ValueError, RecursionError) as error:  # also of bytes that are no text
        raise StoreError(f"{name} is damaged; move it away ({error})") from error
    if not isinstance(found, dict):
        raise StoreError(f"{name} is damaged; move it away (no JSON object)")
    return found


def _changes(store: ResultsStore, plan: SearchPlan, data: PlanData, key: str) -> str:
    """Tell what has changed in a task's data, where the results say what they were."""
    task = key.removeprefix("data of ")
    described = read_json(store, data_file(plan.suite)).get(task)
    if task == key or described is None:
        return ""
    try:
        return f" ({what_changed(Manifest(**described['manifest']), data.manifests[task])})"
    except (TypeError, KeyError, AttributeError):  # the note is damaged
        return ""


def _difference(key: str, noted: str, asked: str) -> str:
    if key == "--checkpoint" or not key.startswith("--"):
        return f"different {key.removeprefix('--')}"
    return f"{key} {noted}, not {asked}"


def _set_suite_aside(store: ResultsStore, suite: str) -> int:
    folder = superseded_folder()
    run_ids = store.run_ids(suite)
    store.set_aside(run_ids, folder)
    for name in (f"search-{suite}.json", data_file(suite), study_file(suite)):
        store.move(name, f"{folder}/{name}")
    return len(run_ids)
