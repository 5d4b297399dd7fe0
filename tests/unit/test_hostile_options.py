"""Options of every command that cannot be followed: one line that names them, and exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import reproduce_tables
import run_search
from sa2vp.cli.commands import run
from sa2vp.cli.main import main

LONG = "x" * 5000
DIGITS = ["--suite", "demo", "--tasks", "digits"]
CIRCLE = "circle"
PIPE = "pipe"


def search(*arguments: str) -> int:
    return run(run_search.app, "run_search.py", list(arguments))


def tables(*arguments: str) -> int:
    return run(reproduce_tables.app, "reproduce_tables.py", list(arguments))


def use(*arguments: str) -> int:
    sys.argv[1:] = arguments
    return main()


def data(*arguments: str) -> int:
    return use("data", *arguments)


@pytest.mark.parametrize(
    ("command", "arguments", "named"),
    [
        (search, [*DIGITS, "--seeds", "10000000000"], "--seeds"),
        (search, [*DIGITS, "--seed", "9" * 30], "--seed"),
        (search, [*DIGITS, "--trials", "9" * 5000], "--trials"),
        (search, [*DIGITS, "--trials", "1e3"], "--trials"),
        (search, [*DIGITS, "--brackets", "3000"], "--brackets"),
        (search, [*DIGITS, "--cpus-per-trial", "1e308"], "--cpus-per-trial"),
        (search, [*DIGITS, "--images-per-second", "inf"], "--images-per-second"),
        (search, [*DIGITS, "--image-size", "1000000"], "--image-size"),
        (search, [*DIGITS, "--results", "s3://"], "--results"),
        (search, [*DIGITS, "--results", "foo\x1b://x"], "--results"),
        (search, [*DIGITS, "--results", f"{CIRCLE}/x"], "--results"),
        (search, [*DIGITS, "--results", LONG], "--results"),
        (search, [*DIGITS, "--checkpoint", LONG], "--checkpoint"),
        (search, [*DIGITS, "--cache-dir", CIRCLE], "--cache-dir"),
        (search, [*DIGITS, "--spaces", CIRCLE], "--spaces"),
        (search, [*DIGITS, "--spaces", "."], "--spaces"),
        (search, [*DIGITS, "--spaces", PIPE], "--spaces: pipe: no regular file"),
        (search, [*DIGITS, "--results", PIPE], "--results"),
        (search, [*DIGITS, "--checkpoint", PIPE], "--checkpoint"),
        (search, ["--recipe", PIPE], "--recipe: pipe: no regular file"),
        (search, ["--suite", "custom", "--data-dir", PIPE], "--data-dir"),
        (search, ["--recipe", LONG], "--recipe"),
        (search, ["--recipe", "\x1b[31m"], "--recipe"),
        (search, ["--suite", "custom", "--data-dir", LONG], "--data-dir"),
        (search, ["--suite", "fgvc", "--data-dir", CIRCLE], "--data-dir"),
        (search, [*DIGITS, "--backbone", "demo\n[red]"], "--backbone"),
        (search, [*DIGITS, "--no-such\x1b"], "--no-such"),
        (tables, ["--results", LONG], "--results"),
        (tables, ["--results", "s3://"], "--results"),
        (tables, ["--results", "foo://x"], "--results"),
        (tables, ["--results", CIRCLE], "--results"),
        (tables, ["--results", PIPE], "--results"),
        (tables, ["--format", "csv", "--out", LONG], "--out"),
        (tables, ["--format", "html", "--out", ".", "--watch", "inf"], "--watch"),
        (tables, ["--format", "html", "--out", ".", "--watch", "nan"], "--watch"),
        (use, ["pack", "--results", LONG], "File name too long"),
        (use, ["pack", "--results", "~nosuchuser/x"], "--results"),
        (use, ["card", LONG], "File name too long"),
        (use, ["card", CIRCLE], CIRCLE),
        (use, ["card", PIPE], "no regular file"),
        (use, ["predict", ".", "--model", PIPE], "no regular file"),
        (use, ["explain", PIPE, "--task", "digits", "--out", "."], "pipe: no regular file"),
        (use, ["explain", "none", "--task", "digits", "--out", "."], "none: no such file"),
        (use, ["predict", LONG, "--task", "digits"], "File name too long"),
        (use, ["export", "--task", "x", "--results", "~nosuchuser/x", "--out", "m.safetensors"],
         "--results"),
        (use, ["export", "--task", "x", "--results", "s3://", "--out", "m.safetensors"],
         "--results"),
        (use, ["export", "--task", "\x1b]0;x\x07", "--out", "m.safetensors"], "results"),
        (data, ["check", "--suite", "custom", "--data-dir", LONG], "File name too long"),
        (data, ["check", "--suite", "custom", "--data-dir", CIRCLE], "--data-dir"),
        (data, ["check", "--suite", "demo", "--tasks", "\x1b"], "unknown task"),
    ],
)  # fmt: skip
def test_one_line(
    command: Callable[..., int],
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / CIRCLE).symlink_to(CIRCLE)
    os.mkfifo(tmp_path / PIPE)  # which nobody ever writes to
    monkeypatch.setattr(sys, "argv", ["sa2vp"])
    assert command(*arguments) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert named in told
    assert "\x1b" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == [CIRCLE, PIPE]
