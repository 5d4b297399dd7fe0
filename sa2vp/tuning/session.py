"""What a results folder was searched with, so that a search is continued and never mixed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from sa2vp.config import OPTIONS
from sa2vp.data.fingerprint import Manifest, what_changed
from sa2vp.options import OptionError, Role
from sa2vp.results.lease import Lease, LeaseError
from sa2vp.results.names import task_of
from sa2vp.results.store import (
    ResultsStore,
    StoreError,
    is_superseded_folder,
    superseded_folder,
)
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData


@dataclass(frozen=True, slots=True)
class Session:
    """A plan and the results folder that it goes on with.

    Attributes:
        plan: what to do.
        store: the results.
        data: what its tasks' data is.
        set_aside: how many earlier runs were moved to make room.
        lock: held as long as the session lives.
    """

    plan: SearchPlan
    store: ResultsStore
    data: PlanData
    set_aside: int
    lock: FileLock | Lease | None = None


def open_session(
    plan: SearchPlan, data: PlanData, say: Callable[[str], None] = lambda _: None
) -> Session:
    """Check the plan and its data against its results folder, before anything slow is imported.

    Args:
        plan: what is asked for.
        data: what its tasks' data is.
        say: is told what takes a while.

    Raises:
        OptionError: the folder cannot be used, or holds the search of another configuration.
    """
    try:
        store = ResultsStore(plan.config.results)
        lock = hold_results(store, plan.search_name, say)
        set_aside = continue_or_refuse(store, plan, data, fresh=plan.config.fresh)
    except OSError as error:  # a StoreError among them
        raise OptionError("--results", str(error)) from error
    return Session(plan, store, data, set_aside, lock)


def hold_results(
    store: ResultsStore, suite: str, say: Callable[[str], None] = lambda _: None
) -> FileLock | Lease:
    """Keep other searches of the suite out of a results folder for as long as this process lives.

    Args:
        store: the results. In an object store it refuses to write once they may be another's.
        suite: that is searched.
        say: is told what takes a while.

    Returns:
        What is held.

    Raises:
        OptionError: another search holds it.
    """
    if store.local_folder is None:
        lease = Lease(*store.place(f"lease-{suite}"))
        try:
            lease.acquire(say)
        except LeaseError as error:
            raise _refused(store, str(error)) from error
        store.guard = lease.check
        return lease
    store.local_folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.local_folder / f".search-{suite}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise _refused(store, "another run_search.py") from error
    return lock


def _refused(store: ResultsStore, holder: str) -> OptionError:
    return OptionError(
        "--results",
        f"{store.uri} is being searched by {holder}; wait for it, or choose another --results",
    )


def continue_or_refuse(
    store: ResultsStore, plan: SearchPlan, data: PlanData, *, fresh: bool
) -> int:
    """Note what the folder is searched with; refuse to mix it with anything else.

    Args:
        store: the results.
        plan: what is asked for.
        data: what its tasks' data is.
        fresh: set the plan's tasks aside and start over; what other tasks hold stays.

    Returns:
        How many runs were set aside.

    Raises:
        OptionError: the folder holds the search of another configuration; names the first option
            that differs. Nothing more is set aside then than an earlier ``fresh`` had begun to.
    """
    set_aside = _finish_setting_aside(store, plan)  # of a --fresh that was interrupted
    noted = read_notes(store, plan.search_name)
    searched = {task_of(run_id, plan.config.suite, plan.method.name) for run_id in store.run_ids()}
    searched &= {*noted.tasks, *plan.tasks}  # what other methods have run has names of its own
    if fresh:
        searched -= set(plan.tasks)
    if searched - noted.tasks.keys():
        raise OptionError(
            "--results",
            f"{plan.config.results} holds runs of suite {plan.config.suite}, but "
            f"{search_file(plan.search_name)}, which says how they were searched, is gone; put it "
            "back, choose another --results, or start over with --fresh",
        )
    noted = noted.of_tasks(searched)  # of the others nothing was run, or nothing is left
    asked = Notes(*plan.identity(data.fingerprints))
    _refuse_difference(store, plan, data, noted, asked)
    if fresh:
        store.write_text(
            _pending_file(plan.search_name),
            json.dumps({"folder": superseded_folder(), "tasks": plan.tasks}),
        )
        set_aside += _finish_setting_aside(store, plan)
    store.write_text(search_file(plan.search_name), noted.with_others(asked).as_json())
    known = read_json(store, data_file(plan.search_name))
    store.write_text(data_file(plan.search_name), json.dumps(known | data.described(), indent=2))
    return set_aside


def settle(store: ResultsStore, plan: SearchPlan, facts: dict[str, Any]) -> None:
    """Note what shows only once the cluster is there; refuse to mix it with anything else.

    Args:
        store: the results.
        plan: what is asked for, noted already.
        facts: what decides whether accuracies can be compared, by option or in words, as JSON.

    Raises:
        OptionError: the folder holds the search of something else; names the first that differs.
    """
    noted, asked = read_notes(store, plan.search_name), Notes(facts, {})
    _refuse_difference(store, plan, None, noted, asked)
    store.write_text(search_file(plan.search_name), noted.with_others(asked).as_json())


@dataclass(frozen=True, slots=True)
class Notes:
    """What a search must not be mixed with other values of.

    Attributes:
        search: by option or in words, for the whole suite.
        tasks: likewise, for each task.
    """

    search: Mapping[str, Any]
    tasks: Mapping[str, Mapping[str, Any]]

    def of_tasks(self, tasks: Collection[str | None]) -> Notes:
        """Keep what is of some tasks; without any, nothing is left that holds for all of them."""
        kept = {task: of for task, of in self.tasks.items() if task in tasks}
        return Notes(self.search if kept else {}, kept)

    def with_others(self, others: Notes) -> Notes:
        """Add others, which count where both say something."""
        return Notes({**self.search, **others.search}, {**self.tasks, **others.tasks})

    def as_json(self) -> str:
        """Write them down."""
        return json.dumps({"search": self.search, "tasks": self.tasks}, indent=2)


def read_notes(store: ResultsStore, suite: str) -> Notes:
    """Read what a suite was searched with; empty where there is nothing.

    Raises:
        StoreError: the file is damaged.
    """
    name = search_file(suite)
    read = read_json(store, name)
    notes = Notes(read.get("search", {}), read.get("tasks", {}))
    if not all(
        isinstance(part, dict) for part in (notes.search, notes.tasks, *notes.tasks.values())
    ):
        raise StoreError(f"{name} is damaged; move it away (no objects by option and task)")
    return notes


def search_file(suite: str) -> str:
    """Name the file in the results that says what a suite was searched with."""
    return f"search-{suite}.json"


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


def _refuse_difference(
    store: ResultsStore, plan: SearchPlan, data: PlanData | None, noted: Notes, asked: Notes
) -> None:
    for name, value in asked.search.items():
        before = noted.search.get(name, value)
        if before == value:
            continue
        # Of files the values are digests, which tell nobody anything.
        told = name in OPTIONS and OPTIONS[name].option.role is Role.IDENTITY
        difference = (
            f"{OPTIONS[name].flag} {_told(before)}, not {_told(value)}"
            if told
            else f"a different {name.replace('_', ' ')}"
        )
        raise _mixed(plan, name if name in OPTIONS else "results", difference)
    for task, values in asked.tasks.items():
        for key, value in values.items():
            if noted.tasks.get(task, {}).get(key, value) != value:
                changes = _changes(store, plan, data, task) if key == "data" else ""
                raise _mixed(plan, "results", f"different {key} of {task}{changes}")


def _told(value: Any) -> str:
    return "none" if value is None else str(value)


def _mixed(plan: SearchPlan, name: str, difference: str) -> OptionError:
    return OptionError(
        OPTIONS[name].flag,
        f"{plan.config.results} holds a search with {difference}; "
        "repeat that, choose another --results, or start over with --fresh",
    )


def _changes(store: ResultsStore, plan: SearchPlan, data: PlanData | None, task: str) -> str:
    """Tell what has changed in a task's data, where the results say what they were."""
    described = read_json(store, data_file(plan.search_name)).get(task)
    if data is None or described is None:
        return ""
    try:
        return f" ({what_changed(Manifest(**described['manifest']), data.manifests[task])})"
    except (TypeError, KeyError, AttributeError):  # the note is damaged
        return ""


def _pending_file(suite: str) -> str:
    """Name the file that is there while runs are set aside."""
    return f"fresh-{suite}.json"


def _finish_setting_aside(store: ResultsStore, plan: SearchPlan) -> int:
    """Set aside what ``--fresh`` has begun to; count the runs that it still had to move.

    What is to be moved is written down before, so that half of a search never stays behind.
    """
    suite = plan.search_name
    name = _pending_file(suite)
    pending = read_json(store, name)
    if not pending:
        return 0
    folder, tasks = pending.get("folder"), pending.get("tasks")
    if not is_superseded_folder(folder) or not isinstance(tasks, list):
        raise StoreError(f"{name} is damaged; move it away (no folder and tasks of --fresh)")
    of = plan.config.suite, plan.method.name
    runs = [run_id for run_id in store.run_ids() if task_of(run_id, *of) in tasks]
    store.set_aside(runs, folder)
    noted = read_notes(store, suite)
    others = noted.of_tasks(noted.tasks.keys() - set(tasks))
    if others.tasks:
        data = read_json(store, data_file(suite))
        _copy(store, folder, search_file(suite), data_file(suite))
        store.write_text(search_file(suite), others.as_json())
        kept = {task: described for task, described in data.items() if task not in tasks}
        store.write_text(data_file(suite), json.dumps(kept, indent=2))
    else:
        for file in (search_file(suite), data_file(suite), study_file(suite)):
            store.move(file, f"{folder}/{file}")
    store.remove(name)
    return len(runs)


def _copy(store: ResultsStore, folder: str, *names: str) -> None:
    for name in names:
        text = store.read_text(name)
        if text is not None and store.read_text(f"{folder}/{name}") is None:
            store.write_text(f"{folder}/{name}", text)
