"""A user's own search spaces, from a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search_spaces.kinds import HYPERPARAMETERS, Choice, LogUniform, Range, TaskSpace

EVERY_TASK = "*"
WHOLE = ("inter_dim", "batch_size")


class SpaceFileError(ValueError):
    """A file of search spaces that cannot be used; one line with the file's name and line."""


def read_spaces(
    path: Path, tasks: Sequence[str], known: Sequence[str] = ()
) -> dict[str, TaskSpace]:
    """Read the spaces of tasks.

    A table ``[task]`` gives each of inter_dim, inter_weight, lr and batch_size as a list of values
    or as ``{low = ..., high = ...}``, and ``initial``, the configuration tried first or a list of
    them. The table ``["*"]`` is for all tasks that have none of their own.

    Args:
        path: of the file.
        tasks: whose spaces are wanted.
        known: further tasks that the file may mention.

    Returns:
        By task; tasks that the file does not mention are left out.

    Raises:
        SpaceFileError: the file is missing or malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpaceFileError(f"{path}: {_in_one_line(error)}") from error
    spaces = {}
    for name, table in tables.items():
        place = _Place(path, text, name)
        allowed = dict.fromkeys([*tasks, *known, EVERY_TASK])
        if name not in allowed:
            raise place.error("", f"unknown task {name!r}; known: {', '.join(allowed)}")
        spaces[name] = _space(place, table)
    every = spaces.pop(EVERY_TASK, None)
    found = {task: spaces.get(task, every) for task in tasks}
    return {task: space for task, space in found.items() if space is not None}


class _Place:
    """Finds the lines of a table, for messages.

    Args:
        path: of the file.
        text: of the file.
        table: its name.
    """

    def __init__(self, path: Path, text: str, table: str) -> None:
        self._path, self._lines, self._table = path, text.splitlines(), table

    def error(self, key: str, problem: str) -> SpaceFileError:
        """Say what is wrong at a key, or at the table where there is none."""
        return SpaceFileError(f"{self._path}:{self._line(key)}: {problem}")

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
    unknown = [key for key in table if key not in (*HYPERPARAMETERS, "initial")]
    if unknown:
        raise place.error(
            unknown[0], f"unknown {unknown[0]!r}; known: {', '.join(HYPERPARAMETERS)}, initial"
        )
    missing = [name for name in (*HYPERPARAMETERS, "initial") if name not in table]
    if missing:
        raise place.error("", f"lacks {missing[0]}")
    ranges = {name: _range(place, name, table[name]) for name in HYPERPARAMETERS}
    given = table["initial"]
    tables = given if isinstance(given, list) else [given]
    if not tables or not all(isinstance(one, dict) for one in tables):
        raise place.error(
            "initial", "expected {inter_dim = ..., inter_weight = ..., ...}, or a list of such"
        )
    initial = tuple(
        {name: _number(place, "initial", name, value) for name, value in one.items()}
        for one in tables
    )
    try:
        return TaskSpace(ranges, initial)
    except ValueError as error:
        raise place.error("initial", str(error)) from error


def _range(place: _Place, name: str, given: object) -> Range:
    try:
        if isinstance(given, list):
            return Choice(*(_number(place, name, name, value) for value in given))
        if isinstance(given, Mapping) and given.keys() == {"low", "high"}:
            if name in WHOLE:
                raise place.error(name, f"{name} needs a list of whole numbers")
            low, high = (_number(place, name, name, given[end]) for end in ("low", "high"))
            return LogUniform(low, high)
    except SpaceFileError:
        raise
    except ValueError as error:
        raise place.error(name, f"{name}: {error}") from error
    raise place.error(name, f"{name}: expected [a, b, ...] or {{low = a, high = b}}, got {given!r}")


def _number(place: _Place, key: str, name: str, value: Any) -> float:
    kinds = (int,) if name in WHOLE else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < float("inf"):
        kind = "whole number" if name in WHOLE else "number"
        raise place.error(key, f"{name}: {value!r} is no {kind} above 0")
    return value if name in WHOLE else float(value)


def _in_one_line(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return " ".join(str(strerror or error).split())
