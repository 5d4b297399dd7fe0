"""One search at a time in an object store, where no file can be locked.

``pyarrow.fs`` cannot write an object on the condition that there is none. So each driver has an
object of its own in one folder, and a driver that asks lists the others' after it has written its
own. Of two drivers, the one that has written later sees the other: this relies on a store in which
an object is listed as soon as it is written, as Amazon's S3 and its like promise. A driver holds
the folder once it sees no other. Of several that ask at once, the first by name waits for the
others to leave, and they leave when they see that it lives.

Each driver renews its object. One that has not changed for a while, by the clock of the driver that
watches it, is of a driver that died. No two machines' clocks are ever compared.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pyarrow import fs

SECONDS = 60.0
"""After which an object that is not renewed is of a driver that died."""

_OWN_SHARE = 2 / 3
"""Of these seconds: a driver that could not renew its object for so long gives up before others may
take over."""

_RENEWALS = 6
"""In these seconds."""

_LOOKS = 30
"""In these seconds, of a driver that asks."""


_ATTEMPTS = 3
"""To ask, of a driver that the store keeps waiting for too long."""


class LeaseError(OSError):
    """The folder is another driver's; the message says whose."""


class LeaseLostError(OSError):
    """The folder may be another driver's by now."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What a driver's object says of it.

    Attributes:
        host: its machine, by name.
        pid: of its process.
        since: when it began, by its own clock, for people to read.
        machine: tells machines, and containers of a machine, apart; empty where nothing does.
        started: when the process began, as the machine counts; tells it from one of the same pid.
        holding: whether it holds the folder; it asks for it otherwise.
        renewals: of the object.
    """

    host: str = "an unknown machine"
    pid: int = 0
    since: str = "an unknown time"
    machine: str = ""
    started: str = ""
    holding: bool = True
    renewals: int = 0

    @classmethod
    def this(cls) -> Driver:
        """Describe this process."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            since=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            machine=_this_machine(),
            started=_start_of(os.getpid()) or "",
            holding=False,
        )

    @classmethod
    def read(cls, text: str) -> Driver:
        """Read what an object says; one that says nothing is of a driver that holds the folder."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls()

    def __str__(self) -> str:
        """Say who it is, in one line, whatever the object said."""
        host, since = (_shown(str(text)) for text in (self.host, self.since))
        return f"{host} (process {_shown(str(self.pid))}, since {since})"

    def lives_here(self) -> bool | None:
        """Tell whether the process lives; None where it is of another machine."""
        if not self.machine or self.machine != _this_machine():
            return None
        start = _start_of(self.pid)
        if start is None and _exists(self.pid):
            return None  # of another user, who does not show it
        return start == self.started


class Lease:
    """A folder of an object store that one driver holds.

    Args:
        filesystem: the store.
        folder: that is for leases alone.
        seconds: after which a driver that does not renew its object is taken for dead.

    Raises:
        OSError: here and in every method, the store cannot be reached.
    """

    def __init__(self, filesystem: fs.FileSystem, folder: str, seconds: float = SECONDS) -> None:
        self._filesystem = filesystem
        self._folder = folder
        self._seconds = seconds
        self._name = uuid.uuid4().hex
        self._driver = Driver.this()
        self._renewed = _now()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost = ""

    def acquire(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Hold the folder until :meth:`release`, or the end of the process.

        Where another driver's object is there, it takes a while to see whether that driver lives.

        Args:
            say: is told what is waited for.

        Raises:
            LeaseError: another driver holds the folder; says which.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._ask(say)
                break
            except BaseException as error:
                self._delete(self._name)
                if not isinstance(error, LeaseLostError) or attempt == _ATTEMPTS:
                    raise
                self._driver, self._lost = replace(self._driver, holding=False), ""
        atexit.register(self.release)
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def _ask(self, say: Callable[[str], None]) -> None:
        """Wait until no other driver is left.

        Raises:
            LeaseError: another driver holds the folder.
            LeaseLostError: others may have taken this driver for dead meanwhile.
        """
        seen: dict[str, tuple[str, float]] = {}
        told = False
        self._renewed = _now()
        self._write()
        while others := self._others(seen):
            if not told:
                told = True
                say(f"{next(iter(others.values()))} was here; seeing whether it still lives")
            _wait(self._seconds / _LOOKS)
            self._renew()
        self._driver = replace(self._driver, holding=True)
        self._renew()

    def check(self) -> None:
        """Refuse to go on where the folder may be another driver's.

        Raises:
            LeaseLostError: it may be.
        """
        if not self._lost and _now() - self._renewed > self._seconds * _OWN_SHARE:
            self._lost = f"it could not be renewed for {self._seconds * _OWN_SHARE:.0f} s"
        if self._lost:
            raise LeaseLostError(
                f"this search no longer holds {self._folder}: {self._lost}. "
                "Another run_search.py may be searching there now"
            )

    def release(self) -> None:
        """Leave the folder to others."""
        atexit.unregister(self.release)
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._lost = self._lost or "it was left to others"
        self._delete(self._name)

    def _keep(self) -> None:
        """Renew the object until it is lost or left to others."""
        while not self._stopped.wait(self._seconds / _RENEWALS):
            try:
                if self._filesystem.get_file_info(self._path(self._name)).type != fs.FileType.File:
                    self._lost = self._lost or "another driver took this one for dead"
                self._renew()
            except LeaseLostError:
                self._delete(self._name)  # which a late write may have put there again
                return
            except OSError:  # the store may be back in time
                continue

    def _renew(self) -> None:
        """Change the object, unless others may have taken this driver for dead meanwhile.

        Raises:
            LeaseLostError: they may have.
        """
        self.check()
        begun = _now()
        self._driver = replace(self._driver, renewals=self._driver.renewals + 1)
        self._write()
        self.check()  # writing may have taken long
        self._renewed = begun

    def _others(self, seen: dict[str, tuple[str, float]]) -> dict[str, Driver]:
        """Give the other drivers that may live; remove what is left of those that do not.

        Args:
            seen: what their objects said, and since when, by name; is kept up.

        Raises:
            LeaseError: one of them lives, and holds the folder or comes before this one.
        """
        drivers: dict[str, Driver] = {}
        for name in self._names():
            text = self._read(name)
            if text is None:
                continue
            driver, now = Driver.read(text), _now()
            known, since = seen.get(name, (text, now))
            seen[name] = (text, since if text == known else now)
            lives = driver.lives_here()
            if lives is False or now - seen[name][1] > self._seconds:
                self._delete(name)
                continue
            if (lives or text != known) and (driver.holding or name < self._name):
                raise LeaseError(f"another run_search.py, on {driver}")
            drivers[name] = driver
        return drivers

    def _names(self) -> list[str]:
        found = self._filesystem.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
        names = [info.base_name for info in found if info.type == fs.FileType.File]
        return sorted(name for name in names if name != self._name)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _read(self, name: str) -> str | None:
        """Read an object; None where it is gone."""
        try:
            with self._filesystem.open_input_stream(self._path(name)) as stream:
                return bytes(stream.read()).decode(errors="replace")
        except FileNotFoundError:
            return None

    def _write(self) -> None:
        self._filesystem.create_dir(self._folder, recursive=True)
        with self._filesystem.open_output_stream(self._path(self._name)) as stream:
            stream.write(json.dumps(asdict(self._driver)).encode())

    def _delete(self, name: str) -> None:
        """Remove an object; others remove one that stays."""
        try:
            self._filesystem.delete_file(self._path(name))
        except OSError:
            return


def _now() -> float:
    """Count the seconds, also those of a machine that sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _this_machine() -> str:
    """Name this boot of this machine and its process numbers; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """Give when a process began, in the machine's ticks; None where that is not to be seen.

    One that has ended, and that nobody has waited for, began never.
    """
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return "" if state in "ZX" else numbers[18]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError, TypeError):
        return False
    except PermissionError:
        return True
    return True


def _shown(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:80]
