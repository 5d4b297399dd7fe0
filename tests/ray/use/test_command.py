"""The command line: one line on stderr and exit code 2 for what cannot be followed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from searches import ROOT

from sa2vp.cli.main import main
from sa2vp.use.export import Export

Command = Callable[..., int]


def test_the_script_and_the_module_are_the_same_command(model_file: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert EntryPoint("sa2vp", scripts["sa2vp"], "console_scripts").load() is main
    module = [sys.executable, "-m", "sa2vp"]
    shown = subprocess.run(
        [*module, "card", model_file], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "demo-digits-final-seed1" in shown.stdout
    refused = subprocess.run(
        [*module, "card"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("sa2vp: FILE: is missing")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "give one of --model FILE, --task NAME and --run RUN_ID"),
        (["--task", "digits", "--run", "x"], "give one of --model FILE, --task NAME and --run"),
        (["--model", "MODEL", "--results", "results"], "--results: goes with --task or --run"),
        (["--model", "none.safetensors"], "none.safetensors: no such file"),
        (
            ["--model", "MODEL", "--backbone-checkpoint", "none.npz"],
            "--backbone-checkpoint: no such file: none.npz",
        ),
        (
            ["--model", "MODEL", "--backbone-checkpoint", "MODEL"],
            "--backbone-checkpoint: the demo backbone comes with its weights",
        ),
        (["--results", "none", "--task", "digits"], "--results: there are no runs in none"),
        (["--model", "MODEL", "--batch-size", "0"], "--batch-size: must be 1 or more, got 0"),
        (["--model", "MODEL", "--top-k", "none"], "--top-k: must be a whole number, got none"),
        (["--model", "MODEL", "--out", "none/p.csv"], "--out: there is no folder none"),
    ],
)
def test_what_cannot_be_followed_is_one_line(
    sa2vp: Command,
    model_file: Path,
    digits_images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = [str(model_file) if option == "MODEL" else option for option in options]
    assert sa2vp("predict", digits_images, *chosen) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"sa2vp: {told}")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_export_shows_what_it_wrote(
    sa2vp: Command, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.safetensors"
    assert sa2vp("export", "--results", results, "--task", "digits", "--out", out) == 0
    shown = capsys.readouterr().out
    assert "demo-digits-final-seed" in shown
    assert shown.endswith(f"Written: {out}\n")


def test_an_export_of_another_backbone_names_both(
    sa2vp: Command,
    digits_export: Export,
    digits_images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "m.safetensors"
    card = replace(digits_export.card, backbone_fingerprint="0123456789abcdef")
    replace(digits_export, card=card).save(model)
    assert sa2vp("predict", digits_images, "--model", model, "--out", tmp_path / "p.csv") == 2
    told = capsys.readouterr().err
    assert f"{model} was trained on backbone demo with fingerprint 0123456789abcdef, not" in told
    assert told.count("\n") == 1
