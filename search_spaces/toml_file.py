"""A user's own search spaces, from a TOML file."""

from __future__ import annotations

import re
import stat
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search_spaces.kinds import HYPERPARAMETERS, WHOLE, Choice, LogUniform, Range, TaskSpace

EVERY_TASK = "*"
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
        TomlFileError: the file is missing or malformed.
    """
    text, tables = read_toml(path)
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
    except TomlFileError:
        raise
    except ValueError as error:
        raise place.error(name, f"{name}: {error}") from error
    raise place.error(
        name, f"{name}: expected [a, b, ...] or {{low = a, high = b}}, got {_shown(given)}"
    )


def _number(place: _Place, key: str, name: str, value: Any) -> float:
    kinds = (int,) if name in WHOLE else (int, float)
    most = WHOLE.get(name, sys.float_info.max)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value <= most:
        kind = f"whole number from 1 to {most:,}" if name in WHOLE else "number above 0, and finite"
        raise place.error(key, f"{name}: {_shown(value)} is no {kind}")
    return value if name in WHOLE else float(value)


def _shown(value: object) -> str:
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):  # thousands of digits or of tables in one another
        return f"this {type(value).__name__}"
