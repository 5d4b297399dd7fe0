"""Two searches in one place of an object store: never both, and never for long none."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import fs
from rows import run_row

from sa2vp.results import lease as leases
from sa2vp.results.lease import Lease, LeaseError, LeaseLostError
from sa2vp.results.store import ResultsStore, StoreError

FOLDER = "results/lease-demo"


class Clock:
    """Time that passes when it is told to, and while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.meanwhile: Callable[[], None] = lambda: None

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "_now", lambda: clock.now)
    monkeypatch.setattr(leases, "_wait", clock.wait)
    # No thread: tests say when an object is renewed.
    monkeypatch.setattr(Lease, "_keep", lambda _: None)
    return clock


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every driver is of a machine that nobody knows."""
    monkeypatch.setattr(leases, "_this_machine", lambda: "")


@pytest.fixture
def store() -> fs.FileSystem:
    """An object store in memory, of this test alone. Arrow's own is not made for threads."""

    class Objects(MemoryFileSystem):
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]
        cachable = False

    return fs.PyFileSystem(fs.FSSpecHandler(Objects()))


def objects(store: fs.FileSystem) -> list[str]:
    found = store.get_file_info(fs.FileSelector(FOLDER, allow_not_found=True))
    return [info.base_name for info in found]


def put(store: fs.FileSystem, name: str, content: bytes) -> None:
    store.create_dir(FOLDER, recursive=True)
    with store.open_output_stream(f"{FOLDER}/{name}") as stream:
        stream.write(content)


def test_a_free_place_is_taken_at_once_and_left_again(clock: Clock, store: fs.FileSystem) -> None:
    lease = Lease(store, FOLDER)
    lease.acquire()
    assert (clock.now, len(objects(store))) == (1000.0, 1)
    lease.check()
    lease.release()
    assert objects(store) == []
    with pytest.raises(LeaseLostError):
        lease.check()


def test_on_one_machine_a_second_is_refused_at_once(clock: Clock, store: fs.FileSystem) -> None:
    first = Lease(store, FOLDER)
    first.acquire()
    with pytest.raises(
        LeaseError,
        match=rf"^another run_search\.py, on .+ \(process {os.getpid()}, since .* UTC\)$",
    ):
        Lease(store, FOLDER).acquire()
    assert (clock.now, len(objects(store))) == (1000.0, 1)
    first.check()


@pytest.mark.usefixtures("elsewhere")
def test_a_driver_that_renews_its_object_is_seen_to_live(
    clock: Clock, store: fs.FileSystem
) -> None:
    first = Lease(store, FOLDER)
    first.acquire()
    clock.meanwhile = lambda: first._renew() if clock.now > 1010 else None
    said: list[str] = []
    with pytest.raises(LeaseError):
        Lease(store, FOLDER).acquire(said.append)
    assert 1010 < clock.now < 1015
    assert len(objects(store)) == 1
    (line,) = said
    assert line.endswith("was here; seeing whether it still lives")


@pytest.mark.usefixtures("elsewhere")
def test_a_dead_driver_loses_the_place_after_its_time_and_not_before(
    clock: Clock, store: fs.FileSystem
) -> None:
    dead = Lease(store, FOLDER)
    dead.acquire()
    clock.now += 5000  # dead for long: only what is seen from now on counts
    second = Lease(store, FOLDER)
    second.acquire()
    assert 6060 < clock.now < 6065
    assert len(objects(store)) == 1
    second.check()
    with pytest.raises(LeaseLostError, match="could not be renewed for 40 s"):
        dead.check()  # it was asleep, and wakes up


def test_a_driver_writes_nothing_more_once_another_may_take_over(
    clock: Clock, store: fs.FileSystem, tmp_path: Path
) -> None:
    lease = Lease(store, FOLDER)
    lease.acquire()
    results = ResultsStore(str(tmp_path))
    results.guard = lease.check
    clock.now += 39
    results.write_run(run_row("demo-digits-search-0000"))
    lease._renew()
    clock.now += 39
    results.write_run(run_row("demo-digits-search-0001"))
    clock.now += 2
    with pytest.raises(StoreError, match=f"no longer holds {FOLDER}: it could not be renewed"):
        results.write_run(run_row("demo-digits-search-0002"))
    with pytest.raises(StoreError, match="no longer holds"):
        results.set_aside(["demo-digits-search-0000"], "superseded/then")
    with pytest.raises(LeaseLostError):
        lease._renew()
    assert [row.run_id[-1] for row in results.read_runs()] == ["0", "1"]
    assert pickle.loads(pickle.dumps(results)).read_runs() == results.read_runs()  # noqa: S301


@pytest.mark.usefixtures("elsewhere")
def test_a_driver_that_slept_while_it_asked_asks_again(clock: Clock, store: fs.FileSystem) -> None:
    put(store, "dead", b"{}")
    slept: list[float] = []

    def sleep_once() -> None:
        if not slept:
            slept.append(clock.now)
            clock.now += 500

    clock.meanwhile = sleep_once
    lease = Lease(store, FOLDER)
    lease.acquire()
    lease.check()
    assert len(objects(store)) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff{", b"[]", b'{"pid": 1}', b'{"host": "[red]x[/red]\\n\\u001b[31m", "pid": "x"}'],
)
def test_an_object_that_says_nothing_is_waited_for(
    clock: Clock, store: fs.FileSystem, content: bytes
) -> None:
    put(store, "other", content)
    said: list[str] = []
    Lease(store, FOLDER).acquire(said.append)
    assert 1060 < clock.now < 1065
    assert all(line.isprintable() for line in said)
    assert objects(store) != ["other"]


def test_of_many_that_ask_at_once_one_is_let_in(
    store: fs.FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for often in ("_LOOKS", "_RENEWALS"):
        monkeypatch.setattr(leases, often, 6000)  # in a minute
    for machine in ("", "this one"):
        monkeypatch.setattr(leases, "_this_machine", lambda machine=machine: machine)
        for _ in range(5):
            barrier, held = threading.Barrier(4), []

            def ask(barrier: threading.Barrier = barrier, held: list[Lease] = held) -> None:
                lease = Lease(store, FOLDER)
                barrier.wait()
                try:
                    lease.acquire()
                except LeaseError:
                    return
                held.append(lease)

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            (lease,) = held
            lease.check()
            lease.release()
            assert objects(store) == []
