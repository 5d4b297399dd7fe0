"""What won, as a small TOML file per task that ``run_search.py --recipe`` retrains."""

from __future__ import annotations

import json

import pandas as pd

from analysis.configurations import configuration_of, values_of
from analysis.names import file_stem
from analysis.tables import counted_runs
from sa2vp.text import printable
from search_spaces import Value

_TEXTS = (
    "suite",
    "task",
    "backbone",
    "backbone_fingerprint",
    "data_fingerprint",
    "method",
    "precision",
)
_NUMBERS = ("image_size", "epochs_planned")
_JSON = ("searched", "hyperparameters")


def recipes(runs: pd.DataFrame) -> dict[str, str]:
    """Write a recipe for each task of each suite and backbone.

    Args:
        runs: of any suites, with the columns of ``frames.RUNS``. Only the final runs that the
            tables count enter; those of an earlier version, which lack a column, do not.

    Returns:
        The text of each file by its name, such as ``demo-digits-demo.toml``.
    """
    counted = counted_runs(runs)
    complete = counted[(counted["method"] == "sa2vp")].dropna(subset=[*_TEXTS, *_NUMBERS, *_JSON])
    return {
        recipe_name(*map(str, place)): _recipe(rows.sort_values("seed"))
        for place, rows in complete.groupby(["suite", "task", "backbone"])
    }


def _recipe(rows: pd.DataFrame) -> str:
    """Write the recipe of one task's final runs, which share their configuration."""
    first = rows.iloc[0]
    top1 = rows["test_top1"]
    spread = f" ± {top1.std():.2f}" if len(rows) > 1 else ""
    task = printable(first["task"])
    lines = [
        f"# SA2VP on {task}: test top-1 {top1.mean():.2f}{spread}, {len(rows)} seeds.",
        "# Repeat these runs, with --data-dir and --checkpoint where the suite needs them:",
        "# python run_search.py --recipe THIS_FILE --results NEW_FOLDER",
        *(f"{name} = {json.dumps(str(first[name]))}" for name in _TEXTS),
        *(f"{name} = {int(first[name])}" for name in _NUMBERS),
        f"searched = {json.dumps(list(configuration_of(first)))}",
        "",
        "[hyperparameters]",
        *(
            f"{name} = {_as_toml(value)}"
            for name, value in values_of(first).items()
            if value is not None
        ),
        "",
        "[test_top1]  # by seed",
        *(f"{seed} = {accuracy!r}" for seed, accuracy in zip(rows["seed"], top1, strict=True)),
    ]
    return "\n".join(lines) + "\n"


def _as_toml(value: Value) -> str:
    """Write a value so that it is read as the same one."""
    if isinstance(value, str | bool):
        return json.dumps(value)
    number = float(value or 0)
    return repr(int(number)) if number.is_integer() and number >= 1 else repr(number)


def recipe_name(suite: str, task: str, backbone: str) -> str:
    """Name the file of a task's recipe; names of tasks and backbones may hold any character."""
    return f"{file_stem(suite, task, backbone)}.toml"
