"""Compare ways to search on tables of recorded configurations, by what their users would get.

``python benchmarks/compare_searches.py --table FILE`` takes any table of the form that
``comparison/tables.py`` describes, also a folder of them: ``demo_settings.parquet``, what
``record_tables.py`` records, ``vtab_searches.parquet``. It simulates searches of each way on each
task, on three replays of the recorded configurations (``comparison/replays.py``), and prints

- how well each replay foretells configurations that were held out;
- the epochs, in all trials together, until the configuration that the search would choose then is
  within half a point of the best, and the share of the searches that found one. One that has not
  within 40 whole trainings' worth of epochs, or in all of a table, has given up and counts as these
  40;
- by how many points the configuration that would be chosen is behind the best after 2, 4, 8 and 16
  whole trainings' worth of epochs;
- the difference in epochs to one of the ways, over searches with the same seed, which are shown the
  same of a configuration. Its 95 % interval is over searches for a task, and over the tasks for
  their mean, where epochs are given in whole trainings.

The ways (``comparison/ways.py``):

- ``random``: random configurations, all trained to the end;
- ``random-asha``: the same with Ray's ASHAScheduler as shipped;
- ``stock``: Ray's OptunaSearch (TPE) and ASHAScheduler as shipped;
- ``hyperband``: Optuna's TPE with its HyperbandPruner;
- ``one-epoch``: random configurations for one epoch, the best to the end (arXiv:2404.04111);
- ``gp``: Optuna's GPSampler with our rungs; Optuna leaves stopped trials out of its model;
- ``tpe-asha``: this project's ``--sampler tpe --scheduler asha``, without initial configurations;
- ``forecast``: its ``--sampler forecast --scheduler forecast``, likewise;
- ``forecast-earlier``: the same with ``--learn-from`` all tasks of ``--sources`` but that one,
  under whatever schedule;
- ``forecast-initial``: the same with those of the space, where ``--spaces`` gives some.

Constants of a search are tuned with ``--half tuning`` and reported with ``--half reporting``.

``vtab_searches.parquet`` has the validation results of grids over 16 tuning methods on ten tasks of
VTAB-1k, from github.com/OSU-MLB/ViT_PEFT_Vision at commit cea7e21: a task is a dataset and a
method, a trial a whole training, and nothing has a curve.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
from comparison.replays import FEWEST, MODELS, HeldOut, Replay, replays
from comparison.scores import (
    ALL,
    BUDGETS,
    MEASURES,
    Score,
    as_frame,
    score,
    summarise,
    summarise_all,
)
from comparison.simulation import Problem, simulate
from comparison.tables import (
    HALVES,
    TableError,
    TaskTable,
    dataset_of,
    of_half,
    read_tables,
)
from comparison.ways import WAYS, applicable, be_quiet
from cyclopts import Parameter
from cyclopts.validators import Number
from record_settings import TABLE
from rich.progress import track
from rich.table import Table

from sa2vp.cli.commands import run_script
from sa2vp.errors import Refused
from sa2vp.forecast.earlier import EarlierTask
from sa2vp.options import OptionError
from sa2vp.printing import Console
from search_spaces.toml_file import TomlFileError

CHUNK = 10
"""Searches that a process does before it is given others."""


def main(  # noqa: PLR0913, PLR0917 - one parameter per command-line option
    table: Annotated[Path, Parameter(help="Parquet file, or a folder of them.")] = TABLE,
    spaces: Annotated[
        Path | None, Parameter(help="TOML file; by default what each task's values span.")
    ] = None,
    sources: Annotated[
        Path | None, Parameter(help="Table, or folder of them, that forecast-earlier learns from.")
    ] = None,
    csv: Annotated[Path | None, Parameter(help="File for the results.")] = None,
    searches: Annotated[
        int, Parameter(validator=Number(gte=2), help="Of each way, task and replay.")
    ] = 100,
    slots: Annotated[int, Parameter(validator=Number(gte=1), help="Trials at a time.")] = 4,
    ways: Annotated[str, Parameter(metavar="A,B", help="By default all.")] = ",".join(WAYS),
    replay: Annotated[str, Parameter(metavar="A,B")] = ",".join(MODELS),
    tasks: Annotated[str, Parameter(metavar="A,B", help="By default all.")] = "",
    half: Annotated[str, Parameter(metavar="tuning|reporting")] = "",
    against: Annotated[str, Parameter(help="Way that the others are compared with.")] = "stock",
    processes: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
) -> None:
    """Compare ways to search."""
    console = Console(width=150)
    names = _known("--ways", ways, [*WAYS])
    wanted = _known("--replay", replay, [*MODELS])
    _known("--against", against, names)
    found = _tables(table, spaces, tasks, half)
    earlier = _earlier(sources)
    replayed = [one for one in found if len(one.runs) >= FEWEST]
    console.print(
        f"{len(replayed)} tasks; {len(found) - len(replayed)} more have fewer than {FEWEST} "
        f"configurations and are left out. {searches} searches each, {slots} trials at a time."
    )
    results = Results(searches, against)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_prepare_worker) as executor:
        for one, made in zip(replayed, executor.map(replays, replayed), strict=True):
            others = tuple(e for name, e in earlier if name != dataset_of(one.task))
            problem = Problem(one.task, one.space, one.epochs, one.images, others)
            possible = [way for way in names if way in applicable(problem)]
            for name in wanted:
                played, held_out = made[name]
                simulated = Simulated(problem, played, slots)
                scores = search_all(executor, simulated, possible, searches, name)
                results.add(name, one, held_out, scores)
            if csv:
                results.frame().to_csv(csv, index=False)
    results.add_means()
    if csv:
        results.frame().to_csv(csv, index=False)
    console.print(results.checks_table(), results.table())


def _tables(path: Path, spaces: Path | None, tasks: str, half: str) -> list[TaskTable]:
    """Read the tasks that are asked for."""
    try:
        found = read_tables(path, spaces)
    except (TableError, TomlFileError) as error:
        raise Refused(str(error)) from error
    if tasks:
        chosen = _known("--tasks", tasks, [one.task for one in found])
        found = [one for one in found if one.task in chosen]
    return of_half(found, _known("--half", half, HALVES)[0]) if half else found


def _earlier(path: Path | None) -> list[tuple[str, EarlierTask]]:
    """Read what is learned from, with the name of each dataset."""
    if path is None:
        return []
    try:
        found = [one for one in read_tables(path) if len(one.runs) >= FEWEST]
    except TableError as error:
        raise OptionError("--sources", str(error)) from error
    return [
        (
            dataset_of(one.task),
            EarlierTask(
                one.space.ranges, one.configurations, one.means[:, -1:, 0].tolist(), 1, one.images
            ),
        )
        for one in found
    ]


def _known(option: str, given: str, known: Sequence[str]) -> list[str]:
    names = given.split(",")
    for name in names:
        if name not in known:
            raise OptionError(option, f"unknown {name!r}; known: {', '.join(known)}")
    return names


def _prepare_worker() -> None:
    torch.set_num_threads(1)
    be_quiet()


@dataclass(frozen=True)
class Simulated:
    """A task on a replay.

    Attributes:
        problem: the task.
        replay: what its configurations reach.
        slots: number of trials at a time.
    """

    problem: Problem
    replay: Replay
    slots: int

    def score(self, way: str, seed: int) -> Score:
        """Search once."""
        replay = self.replay
        choices = simulate(
            WAYS[way](self.problem, seed), self.problem, replay.draws(seed), self.slots,
            replay.trials,
        )  # fmt: skip
        return score(choices, replay.best, replay.guess, self.problem.epochs)


def _search(simulated: Simulated, way: str, seeds: Sequence[int]) -> list[Score]:
    return [simulated.score(way, seed) for seed in seeds]


def search_all(
    executor: Executor, simulated: Simulated, ways: Sequence[str], searches: int, replay: str
) -> dict[str, pd.DataFrame]:
    """Search each way with each seed; give each way's scores, a row for each seed."""
    seeds = [range(first, min(first + CHUNK, searches)) for first in range(0, searches, CHUNK)]
    jobs = [(way, some) for way in ways for some in seeds]
    done = executor.map(partial(_search, simulated), *zip(*jobs, strict=True))
    found: dict[str, list[Score]] = {way: [] for way in ways}
    about = f"{simulated.problem.task}, {replay}"
    for (way, _), some in zip(jobs, track(done, about, len(jobs)), strict=True):
        found[way] += some
    return {way: as_frame(of_way) for way, of_way in found.items()}


class Results:
    """What the searches came to, as rows and as tables to print.

    Args:
        searches: number of searches of each way, task and replay.
        against: way that the others are compared with.
    """

    def __init__(self, searches: int, against: str) -> None:
        self._searches, self._against = searches, against
        self._checks: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._means: dict[str, dict[str, list[pd.Series[float]]]] = {}

    def add(
        self, replay: str, table: TaskTable, held_out: HeldOut, scores: Mapping[str, pd.DataFrame]
    ) -> None:
        """Add a task on a replay."""
        self._checks.append(
            {
                "replay": replay, "task": table.task, "configurations": len(table.runs),
                "repeated": sum(len(curves) > 1 for curves in table.runs), **asdict(held_out),
            }
        )  # fmt: skip
        rows = summarise(table.task, scores, self._against)
        self._rows += [{"replay": replay, **row} for row in rows]
        for way, frame in scores.items():
            in_trainings = frame.assign(epochs=frame["epochs"] / table.epochs)
            self._means.setdefault(replay, {}).setdefault(way, []).append(in_trainings.mean())

    def add_means(self) -> None:
        """Add the means over the tasks, of the ways that all tasks allow."""
        for replay, by_way in self._means.items():
            tasks = max(len(means) for means in by_way.values())
            if tasks > 1:
                frames = {
                    w: pd.DataFrame(means) for w, means in by_way.items() if len(means) == tasks
                }
                rows = summarise_all(frames, self._searches, self._against)
                self._rows += [{"replay": replay, **row} for row in rows]

    def frame(self) -> pd.DataFrame:
        """Give the rows, one for each replay, task and way; how good the replays are is beside."""
        checks = pd.DataFrame(self._checks)
        return pd.DataFrame(self._rows).merge(checks, on=["replay", "task"], how="left")

    def checks_table(self) -> Table:
        """Show how good the replays are."""
        table = Table(
            "task", "configurations", "repeated", "replay", "rank correlation", "error, points",
            "in the 80 % interval", title="Configurations that were held out, a fifth at a time",
        )  # fmt: skip
        for row in self._checks:
            table.add_row(
                row["task"], str(row["configurations"]), str(row["repeated"]), row["replay"],
                f"{row['rank']:.2f}", f"{row['error']:.1f}", f"{row['within']:.0%}",
            )  # fmt: skip
        return table

    def table(self) -> Table:
        """Show what the searches came to."""
        table = Table(
            "replay", "task", "way", "epochs until good", "found",
            *(f"regret, {budget}" for budget in BUDGETS), f"epochs more than {self._against}",
        )  # fmt: skip
        for (_, task), rows in groupby(self._rows, key=lambda row: (row["replay"], row["task"])):
            digits = 1 if task == ALL else 0
            for row in rows:
                low, high = row["epochs_difference_low"], row["epochs_difference_high"]
                table.add_row(
                    row["replay"], row["task"], row["way"],
                    f"{row['epochs']:.{digits}f} ± {row['epochs_error']:.{digits}f}",
                    f"{row['found']:.0%}", *(f"{row[name]:.2f}" for name in MEASURES[1:]),
                    f"{row['epochs_difference']:+.{digits}f} "
                    f"[{low:+.{digits}f}, {high:+.{digits}f}]",
                )  # fmt: skip
            table.add_section()
        return table


if __name__ == "__main__":
    run_script(main)
