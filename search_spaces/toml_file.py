"""A user's own search spaces, from a TOML file."""

from __future__ import annotations

import math
import re
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from search_spaces.kinds import Choice, LogUniform, Range, TaskSpace, Uniform, Value, shown

EVERY_TASK = "*"
INITIAL = "initial"
_MAX_BYTES = 2**20
_SHOWN = 300  # characters of a file's own text in a message


class TomlFileError(ValueError):
    """A TOML file that cannot be used; one line with the file's name and, if known, its line."""


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a TOML file.

    Returns:
        Its text, and what it says.

    Raises:
        TomlFileError: the file is missing or malformed.
    """
    try:
        text = _text(path)
        return text, tomllib.loads(text)
    except RecursionError as error:
        raise TomlFileError(f"{path}: nested too deeply") from error
    except (OSError, ValueError) as error:  # also numbers of too many digits, or no UTF-8
        reason = getattr(error, "strerror", None) or error
        raise TomlFileError(f"{path}: {' '.join(str(reason).split())}") from error


def _text(path: Path) -> str:
    """Read a file; a pipe, whose other end may never write, and a huge file are not even opened.

    Raises:
        OSError: it is not there, or no regular file of a bearable size.
        UnicodeDecodeError: it is no UTF-8.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("no regular file")
    if status.st_size > _MAX_BYTES:
        raise OSError(f"larger than {_MAX_BYTES // 2**20} MiB")
    return path.read_text(encoding="utf-8-sig")  # Windows's editors begin with a mark


Check = Callable[[str, Value], Value]
"""Checks a value of a hyperparameter, by its name, and gives it in the right type; raises a
ValueError whose message names the hyperparameter."""


def read_spaces(
    path: Path, tasks: Sequence[str], check: Check, known: Sequence[str] = ()
) -> dict[str, TaskSpace]:
    """Read the spaces of tasks.

    A table ``[task]`` gives each hyperparameter as a list of values or as
    ``{low = ..., high = ...}``, on a linear scale with ``log = false``, and ``initial``, the
    configuration tried first or a list of them. The table ``["*"]`` is for all tasks that have none
    of their own.

    Args:
        path: of the file.
        tasks: whose spaces are wanted.
        check: of each value.
        known: further tasks that the file may mention.

    Returns:
        By task; tasks that the file does not mention are left out.

    Raises:
        TomlFileError: the file is missing or malformed.
    """
    text, tables = read_toml(path)
    spaces = {}
    for name, table in tables.items():
        place = _Place(path, text, name, check)
        allowed = dict.fromkeys([*tasks, *known, EVERY_TASK])
        if name not in allowed:
            raise place.error("", f"unknown task {name!r}; known: {', '.join(allowed)}")
        spaces[name] = _space(place, table)
    every = spaces.pop(EVERY_TASK, None)
    found = {task: spaces.get(task, every) for task in tasks}
    return {task: space for task, space in found.items() if space is not None}


class _Place:
    """Checks the values of a table, and finds its lines, for messages.

    Args:
        path: of the file.
        text: of the file.
        table: its name.
        check: of each value.
    """

    def __init__(self, path: Path, text: str, table: str, check: Check) -> None:
        self._path, self._lines, self._table = path, text.splitlines(), table
        self._check = check

    def checked(self, key: str, name: str, value: object) -> Value:
        """Check a value of a hyperparameter that stands at a key."""
        if not isinstance(value, bool | int | float | str):
            raise self.error(key, f"{name}: {shown(value)} is no number, text or truth value")
        try:
            return self._check(name, value)
        except ValueError as error:
            raise self.error(key, str(error)) from error

    def error(self, key: str, problem: str) -> TomlFileError:
        """Say what is wrong at a key, or at the table where there is none."""
        return TomlFileError(f"{self._path}:{self._line(key)}: {problem:.{_SHOWN}}")

    def _line(self, key: str) -> int:
        header = re.compile(rf"""\s*\[\s*["']?{re.escape(self._table)}["']?\s*[\].]""")
        start = next((n for n, line in enumerate(self._lines) if header.match(line)), 0)
        for number in range(start + 1, len(self._lines)) if key else ():
            if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", self._lines[number]):
                return number + 1
        return start + 1


def _space(place: _Place, table: object) -> TaskSpace:
    if not isinstance(table, dict):
        raise place.error("", "expected a table for each task, as [cub200]")
    if INITIAL not in table:
        raise place.error("", f"lacks {INITIAL}")
    ranges = {name: _range(place, name, table[name]) for name in table if name != INITIAL}
    given = table[INITIAL]
    tables = given if isinstance(given, list) else [given]
    if not tables or not all(isinstance(one, dict) for one in tables):
        raise place.error(INITIAL, "expected {lr = ..., batch_size = ..., ...}, or a list of such")
    initial = tuple(
        {name: place.checked(INITIAL, name, value) for name, value in one.items()} for one in tables
    )
    try:
        return TaskSpace(ranges, initial)
    except ValueError as error:
        raise place.error(INITIAL, str(error)) from error


def _range(place: _Place, name: str, given: object) -> Range:
    try:
        if isinstance(given, list):
            return Choice(*(place.checked(name, name, value) for value in given))
        if isinstance(given, Mapping) and {"low", "high"} <= given.keys() <= {"low", "high", "log"}:
            low, high = (_bound(place, name, given[end]) for end in ("low", "high"))
            logarithmic = given.get("log", True)
            if isinstance(logarithmic, bool):
                return LogUniform(low, high) if logarithmic else Uniform(low, high)
    except TomlFileError:
        raise
    except ValueError as error:
        raise place.error(name, f"{name}: {error}") from error
    raise place.error(
        name,
        f"{name}: expected [a, b, ...] or {{low = a, high = b}}, with log = false for a linear "
        f"scale, got {shown(given)}",
    )


def _bound(place: _Place, name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # beyond what a float holds
            if math.isfinite(value):
                place.checked(name, name, float(value))
                return float(value)
    raise place.error(name, f"{name}: {shown(value)} is no finite number")
