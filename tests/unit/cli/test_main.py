"""``sa2vp``: every command under one name, none of which is imported before it is typed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from setuptools import find_packages

from sa2vp.cli.commands import run
from sa2vp.cli.main import COMMANDS, main, make_sa2vp

ROOT = Path(__file__).parents[3]


def test_every_command_says_what_it_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["sa2vp", "--help"])
    assert main() == 0
    shown = [line.strip("│ ").split() for line in capsys.readouterr().out.splitlines()]
    said = {line[0]: line[1:] for line in shown if line and line[0] in COMMANDS}
    assert list(said) == list(COMMANDS)
    assert all(len(words) > 3 for words in said.values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serch"], 'Unknown command "serch". Did you mean "search"?'),
        (["search", "--tirals", "3"], "Unknown option: --tirals. Did you mean --trials?"),
        (["search", "--suite"], "--suite requires an argument."),
        (["search", "--suite", "demo", "digits"], "unexpected argument 'digits'"),
        (["search", "--suite", "demo", "--trials", "2.5"], "--trials: must be a whole number"),
        (["search", "--suite", "demo", "--seed", "-1"], "--seed: must be 0 or more, got -1"),
        (["tables", "--format", "pdf"], "--format: unknown format 'pdf'; known: md, latex, csv"),
        (["tables", "--out", "x"], "--out: needs --format, one of md"),
        (["data", "check", "--suite", "imagenet"], "--suite: unknown suite 'imagenet'; known: "),
        (["data", "download", "--suite", "hta"], "--data-dir: is missing"),
        (["card"], "FILE: is missing"),
        (["predict", "--task", "digits"], "IMAGES_DIR: is missing"),
        (["export", "--out", "x.safetensors"], "give one of --task NAME and --run RUN_ID"),
    ],
)
def test_what_cannot_be_followed_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert run(make_sa2vp(), "sa2vp", arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert printed.err.startswith("sa2vp: ")
    assert printed.err.count("\n") == 1


def test_of_an_option_given_twice_the_last_counts(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["search", "--suite", "demo", "--trials", "3", "--trials", "0"]
    assert run(make_sa2vp(), "sa2vp", given) == 2
    assert "--trials: must be 1 or more, got 0" in capsys.readouterr().err


def test_only_packages_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setup = project["tool"]["setuptools"]
    found = find_packages(str(ROOT), include=setup["packages"]["find"]["include"])
    assert {name.partition(".")[0] for name in found} == {"sa2vp", "search_spaces", "analysis"}
    assert setup["py-modules"] == []
    script = EntryPoint("sa2vp", project["project"]["scripts"]["sa2vp"], "console_scripts")
    assert script.load() is main


def test_a_refused_option_imports_nothing_slow() -> None:
    code = (
        "import sys; from sa2vp.cli.main import main; code = main(); "
        "print(*sorted(name.partition('.')[0] for name in sys.modules), file=sys.stdout)"
    )
    for command in (["search", "--trials", "0"], ["tables", "--format", "pdf"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        slow = {"torch", "ray", "timm", "pandas", "pyarrow", "matplotlib", "optuna", "numpy"}
        assert not slow & set(done.stdout.split())
