"""How often the truly best setting is chosen, with and without further seeds of the best trials.

``python benchmarks/compare_choices.py`` draws searches from ``demo_settings.parquet``: so many of
its settings at random, each with the result of one of its recorded seeds. The choice is the one
that a search makes (``--confirm K``); the truth is the mean over all recorded seeds. Settings of
which one seed alone is recorded were far from the best by that seed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
import pandas as pd
from cyclopts import Parameter
from record_settings import TABLE
from rich.table import Table

from sa2vp.cli.commands import run_script
from sa2vp.printing import Console
from sa2vp.results.names import make_run_id, trial_number
from sa2vp.results.schema import Phase, RunRow, hyperparameter_columns
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.record import RunRecord
from search_spaces import SPACES


@dataclass(frozen=True)
class Choices:
    """What became of many drawn searches.

    Attributes:
        best: share in which the truly best setting was chosen.
        lost: points of top-1 that the chosen setting is behind it, on average.
    """

    best: float
    lost: float


def main(
    searches: Annotated[int, Parameter(help="To draw.")] = 2000,
    trials: Annotated[int, Parameter(help="Of each search.")] = 24,
    confirm: Annotated[str, Parameter(metavar="K,K", help="Trials confirmed.")] = "0,2,3,5",
    seeds: Annotated[int, Parameter(help="That confirm a trial.")] = 2,
) -> None:
    """Print the table."""
    recorded = pd.read_parquet(TABLE)
    last = recorded[recorded["epoch"] == recorded["epoch"].max()]
    table = Table("task", "trials confirmed", "further runs", "truly best chosen", "points behind")
    for task, rows in last.groupby("task"):
        if rows["seed"].nunique() <= seeds:
            continue
        settings = [of_setting for _, of_setting in rows.groupby("number")]
        for count in (int(number) for number in confirm.split(",")):
            found = choose(settings, searches, trials, count, seeds)
            table.add_row(
                str(task), str(count), str(count * seeds), f"{found.best:.1%}", f"{found.lost:.2f}"
            )
    Console().print(table)


def choose(
    settings: list[pd.DataFrame], searches: int, trials: int, confirm: int, seeds: int
) -> Choices:
    """Draw searches, the same ones for each number of confirmed trials, and choose in each."""
    rng = np.random.default_rng(0)
    truths = np.array([rows["val_top1"].mean() for rows in settings])
    lost = []
    with tempfile.TemporaryDirectory() as nothing:
        for _ in range(searches):
            drawn = rng.choice(len(settings), trials, replace=False)
            record = RunRecord(ResultsStore(nothing), "demo")
            results: dict[int, list[dict[Any, Any]]] = {}
            for number in drawn:
                order = rng.permutation(len(settings[number]))
                results[int(number)] = settings[number].iloc[order].to_dict("records")
                enter(record, int(number), results[int(number)][0])
            for trial in record.ranked("digits")[:confirm]:
                number = trial_number(trial.run_id)
                for seed in range(1, seeds + 1):
                    enter(record, number, results[number][seed], seed)
            best = record.best("digits")
            assert best is not None  # noqa: S101 - for the type checker
            chosen = trial_number(best.run_id)
            lost.append(truths[drawn].max() - truths[chosen])
    return Choices(best=float(np.mean(np.isclose(lost, 0))), lost=float(np.mean(lost)))


def enter(record: RunRecord, number: int, result: dict[Any, Any], seed: int = 0) -> None:
    """Enter a completed run of a configuration: its trial, or what a further seed reaches."""
    phase: Phase = "confirm" if seed else "search"
    searched = SPACES["demo"]["digits"].ranges
    values = {name: result[name] for name in searched} | {"weight_decay": 0.0, "dropout": 0.0}
    row = RunRow(
        run_id=make_run_id("demo", "digits", phase, number, seed), uid=f"{number}-{seed}",
        suite="demo", task="digits", backbone="demo", method="sa2vp", phase=phase,
        **hyperparameter_columns(values, searched), epochs_planned=1, seed=seed,
        status="completed", epochs_done=1, last_val_top1=result["val_top1"],
        last_val_loss=result["val_loss"], data_fingerprint="", versions="", commit=None,
        started_at=datetime.now(UTC), trainable_params=int(result["inter_dim"]),
    )  # fmt: skip
    record.runs[row.run_id] = row


if __name__ == "__main__":
    run_script(main)
