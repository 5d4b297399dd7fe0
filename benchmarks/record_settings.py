"""Train many settings of the demo to the end, for searches to be compared on.

``python benchmarks/record_settings.py`` draws settings at random from each task's space and trains
them as trials do, two at a time; ``--best N --seeds K`` trains the N best of them with further
seeds.
What is recorded is kept: the same command goes on, a larger number adds to it. The table,
``benchmarks/demo_settings.parquet``, has a row per task, setting, seed and epoch.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import optuna
import pandas as pd
import torch
import typer
from optuna.samplers import RandomSampler
from rich.progress import track

from sa2vp.files import replacing
from sa2vp.models import load_backbone
from sa2vp.suites import SUITES, suite_tasks
from sa2vp.training.build import build_run
from sa2vp.training.settings import SA2VPSettings
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.plan import WEIGHT_DECAY
from search_spaces import SPACES

TABLE = Path(__file__).with_name("demo_settings.parquet")
COLUMNS = ["task", "number", "seed"]


@dataclass(frozen=True)
class Recording:
    """A run to be recorded: a task's setting, by its number, and the run's seed."""

    task: str
    number: int
    seed: int
    setting: dict[str, Any]


def main(
    tasks: Annotated[str, typer.Option(metavar="A,B")] = "digits,location,orientation",
    settings: Annotated[int, typer.Option(help="Of each task, one seed each.")] = 200,
    best: Annotated[int, typer.Option(help="Settings that get further seeds.")] = 0,
    seeds: Annotated[int, typer.Option(help="Of these settings, in all.")] = 5,
    processes: Annotated[int, typer.Option(help="Runs at a time, one thread each.")] = 2,
) -> None:
    """Train what the table lacks."""
    names = tasks.split(",")
    recorded = pd.read_parquet(TABLE) if TABLE.exists() else pd.DataFrame(columns=COLUMNS)
    known = set(recorded[COLUMNS].itertuples(index=False, name=None))
    wanted = [Recording(task, n, 0, s) for task in names for n, s in drawn(task, settings)]
    if best:
        wanted = list(with_more_seeds(wanted, recorded, best, seeds))
    missing = [w for w in wanted if (w.task, w.number, w.seed) not in known]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as executor:
        futures = [executor.submit(train, recording) for recording in missing]
        for future in track(as_completed(futures), "Training", total=len(futures)):
            recorded = pd.concat([recorded, pd.DataFrame(future.result())], ignore_index=True)
            keep(recorded)


def drawn(task: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Draw a task's settings; the first N are the same for every count."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    distributions = for_optuna(SPACES["demo"][task].ranges)
    for number in range(count):
        yield number, study.ask(distributions).params


def with_more_seeds(
    wanted: list[Recording], recorded: pd.DataFrame, best: int, seeds: int
) -> Iterator[Recording]:
    """Repeat each task's best settings by their first seed."""
    last = recorded[(recorded["seed"] == 0) & (recorded["epoch"] == SUITES["demo"].epochs)]
    for task, rows in last.groupby("task"):
        numbers = set(rows.nlargest(best, "val_top1")["number"])
        for one in wanted:
            if one.task == task and one.number in numbers:
                yield from (Recording(one.task, one.number, s, one.setting) for s in range(seeds))


def train(recording: Recording) -> list[dict[str, Any]]:
    """Train one run to the end; give a row per epoch."""
    torch.set_num_threads(1)
    (task,) = suite_tasks("demo", [recording.task])
    settings = SA2VPSettings(
        **recording.setting, dropout=0.0, weight_decay=WEIGHT_DECAY,
        epochs=SUITES["demo"].epochs, seed=recording.seed,
    )  # fmt: skip
    about = {"task": recording.task, "number": recording.number, "seed": recording.seed}
    run = build_run(task, load_backbone("demo"), settings, final=False)
    return [
        {
            **about, **recording.setting, "epoch": metrics.epoch,
            "val_top1": metrics.val_top1, "val_loss": metrics.val_loss,
        }
        for metrics in run
    ]  # fmt: skip


def keep(recorded: pd.DataFrame) -> None:
    """Write the table whole, in order."""
    with replacing(TABLE) as temporary:
        recorded.sort_values([*COLUMNS, "epoch"]).to_parquet(temporary, index=False)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    typer.run(main)
