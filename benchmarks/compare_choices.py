"""How often the truly best configuration is chosen, with and without runs that confirm the choice.

``python benchmarks/compare_choices.py [--table FILE]`` draws searches from recorded configurations
(``demo_settings.parquet`` unless told otherwise) of the tasks that have some repeated with further
seeds: so many configurations at random, each with a drawn run. A run is the configuration's truth,
as in ``compare_searches.py``'s lookup, plus how a recorded run of some repeated configuration that
reached about as much differed from its mean; so a configuration can be repeated for ever, which
one with five recorded seeds cannot.

The choices are compared on the same searches: by the trials alone; after the K best were repeated
with two seeds each (``fixed``); and after the race of ``--confirm N`` (``sa2vp/tuning/race.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from comparison.replays import Lookup, replays
from comparison.tables import read_tables
from cyclopts import Parameter
from numpy.typing import NDArray
from record_settings import TABLE
from rich.table import Table

from sa2vp.cli.commands import run_script
from sa2vp.printing import Console
from sa2vp.results.ranking import Outcome, rank
from sa2vp.tuning.race import Racer, next_to_repeat

Draw = Callable[[int], float]
"""Trains a configuration once more, and gives its top-1 in percent."""

Runs = list[list[float]]
"""Top-1 of each configuration's trial and repeats, in percent."""

SEEDS = 2
"""Of each configuration that is repeated without a race."""


def main(
    table: Annotated[Path, Parameter(help="Parquet file, or a folder of them.")] = TABLE,
    searches: Annotated[int, Parameter(help="To draw.")] = 2000,
    trials: Annotated[int, Parameter(help="Of each search, trained to the end.")] = 24,
    confirm: Annotated[str, Parameter(metavar="N,N", help="Most runs of a race.")] = "2,4,6,8",
) -> None:
    """Print the table."""
    shown = Table("task", "choice", "further runs", "truly best", "within 0.5", "points behind")
    ways: dict[str, Callable[[Runs, Draw, int], int]] = {
        "trials alone": lambda _runs, _draw, _images: 0,
        "fixed, 2 best": lambda runs, draw, _: repeat_best(runs, draw, 2),
        "fixed, 3 best": lambda runs, draw, _: repeat_best(runs, draw, 3),
    }
    for number in confirm.split(","):
        ways[f"race, {number}"] = partial(race, most=int(number))
    for task in read_tables(table):
        if any(len(curves) > 1 for curves in task.runs):
            lookup = replays(task)["lookup"][0]
            assert isinstance(lookup, Lookup)  # noqa: S101 - for the type checker
            for name, way in ways.items():
                used, behind = choose(lookup, way, searches, trials)
                shown.add_row(
                    task.task, name, f"{used.mean():.1f}", f"{np.mean(behind < 1e-9):.1%}",
                    f"{np.mean(behind <= 0.5):.1%}", f"{behind.mean():.2f}",
                )  # fmt: skip
            shown.add_section()
    Console(width=100).print(shown)


def choose(
    lookup: Lookup, way: Callable[[Runs, Draw, int], int], searches: int, trials: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Choose in drawn searches, the same ones for every way.

    Returns:
        For each search, the runs that the way added, and by how many points the chosen
        configuration is behind the best one that was tried.
    """
    used, behind = [], []
    for seed in range(searches):
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(lookup.truths), trials, replace=False)

        draw = partial(_train, lookup, rng, drawn)
        runs = [[draw(number)] for number in range(trials)]
        used.append(way(runs, draw, lookup.table.images))
        truths = lookup.truths[drawn]
        behind.append(truths.max() - truths[_ranked(runs)[0]])
    return np.array(used, dtype=float), np.array(behind)


def _train(
    lookup: Lookup, rng: np.random.Generator, drawn: NDArray[np.int64], number: int
) -> float:
    truth, step = lookup.truths[drawn[number]], lookup.table.step
    top1 = truth + rng.choice(lookup.noise.near(truth))[-1, 0]
    return float(np.clip(np.round(top1 / step) * step if step else top1, 0, 100))


def repeat_best(runs: Runs, draw: Draw, count: int) -> int:
    """Repeat the best ones with ``SEEDS`` seeds each; give the number of runs."""
    for number in _ranked(runs)[:count]:
        runs[number] += [draw(number) for _ in range(SEEDS)]
    return count * SEEDS


def race(runs: Runs, draw: Draw, images: int, most: int) -> int:
    """Let the best ones race; give the number of runs."""
    for used in range(most):
        racers = [Racer(top1) for top1 in runs]
        number = next_to_repeat(racers, _ranked(runs)[0], images)
        if number is None:
            return used
        runs[number].append(draw(number))
    return most


def _ranked(runs: Runs) -> list[int]:
    """Rank configurations as a search does."""
    outcomes = [
        Outcome(
            run_id=f"{number:04}-{repeat}", phase="confirm" if repeat else "search",
            configuration=number, status="completed", val_top1=top1, val_loss=None,
            trainable_params=None,
        )
        for number, of_number in enumerate(runs)
        for repeat, top1 in enumerate(of_number)
    ]  # fmt: skip
    return [int(run_id.split("-")[0]) for run_id in rank(outcomes)]


if __name__ == "__main__":
    run_script(main)
