"""Record many configurations of each small task, trained to the end, to compare searches on.

``python benchmarks/record_tables.py --real DIR`` goes on with what is recorded until all of it is,
or until it is interrupted, or for ``--minutes N``. Every task gets, in this order,

1. configurations drawn at random from ``RANGES``, others for each task;
2. some more where a forest fitted to these expects the best ones;
3. further seeds for the best of both and for some of the others;
4. for the tasks in ``LONGER``, a longer schedule for some configurations.

No task starts a step before all the others have finished the previous one, and within a step the
task that is furthest behind goes first. The same tables always lead to the same further runs.

``benchmarks/recorded/TASK.parquet`` has a row per run and epoch. The columns: the task; number, of
the configuration; seed; epochs_planned; the hyperparameters; epoch; val_top1 in percent; val_loss;
seconds and cpu_seconds, of training and evaluation; correct, a bit for each validation image, as
``numpy.packbits`` packs them. A run whose loss became infinite ends with a row that has neither
accuracy, loss nor bits. Each file is rewritten, whole, after each run of its task, so only one
process may record a task at a time.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import pandas as pd
import torch
import typer
from optuna.samplers import RandomSampler
from rich.table import Table
from sklearn.ensemble import RandomForestRegressor
from small_tasks import SMALL_TASKS, load, seed_of

from sa2vp.data.images.batches import TensorExamples
from sa2vp.data.images.normalise import Normalise
from sa2vp.data.readers.base.decoded import Split, TaskData
from sa2vp.models import Backbone, create_sa2vp, load_backbone
from sa2vp.printing import Console
from sa2vp.suites import SUITES
from sa2vp.training.build import input_size
from sa2vp.training.failures import NonFiniteLossError
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import TrainingRun
from sa2vp.training.settings import SA2VPSettings
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.plan import WEIGHT_DECAY
from search_spaces import Choice, LogUniform, Range

FOLDER = Path(__file__).with_name("recorded")

RANGES: Mapping[str, Range] = {
    "inter_dim": Choice(2, 4, 8, 16, 32, 64),
    "inter_weight": LogUniform(0.02, 4.0),
    "lr": LogUniform(1e-4, 5e-2),
    "batch_size": Choice(20, 40),
}
"""The demo's space, wider at the ends: fewer tasks have their best at a bound.

Not in the batch size: one of 10 would make half of the runs much slower.
"""

RANDOM = 120
PROMISING = 20
FIRST_PROMISING = 1000
"""Number of the first promising configuration, above those of all random ones."""

BEST_REPEATED = 15
OTHERS_REPEATED = 10
SEEDS = 3
"""Of the configurations that are repeated, in all."""

EPOCHS = SUITES["demo"].epochs
LONGER_EPOCHS = 24
LONGER = ("orientation", "count", "photos")
"""Tasks that are also recorded with the longer schedule."""

LONGER_BEST = 10
LONGER_OTHERS = 30

KEY = ["number", "seed", "epochs_planned"]


@dataclass(frozen=True)
class Run:
    """A run to be recorded.

    Attributes:
        task: name of the small task.
        number: number of the configuration within the task.
        seed: seed of the run.
        epochs: epochs that its schedule spans.
        configuration: value of each hyperparameter.
    """

    task: str
    number: int
    seed: int
    epochs: int
    configuration: Mapping[str, Any]

    @property
    def key(self) -> tuple[int, int, int]:
        """Tell it from the other runs of its task."""
        return self.number, self.seed, self.epochs


def random_runs(task: str, recorded: pd.DataFrame, random: int) -> Iterator[Run]:
    """Draw configurations from the whole space."""
    del recorded
    for number, configuration in enumerate(draw(seed_of(task), random)):
        yield Run(task, number, 0, EPOCHS, configuration)


def promising_runs(task: str, recorded: pd.DataFrame, random: int) -> Iterator[Run]:
    """Choose by chance among the one in fifty that a fitted forest expects most of."""
    known = last_epochs(recorded)
    known = known[known["number"] < random]
    names = [*RANGES]
    forest = RandomForestRegressor(300, min_samples_leaf=2, random_state=seed_of(task))
    forest.fit(known[names].to_numpy(), known["val_top1"].to_numpy())
    candidates = pd.DataFrame(draw(seed_of(task) + 1, 100 * PROMISING))
    expected = forest.predict(candidates[names].to_numpy())
    best = candidates.to_dict("records")
    order = np.argsort(-expected, kind="stable")[: 2 * PROMISING]
    chosen = np.random.default_rng(seed_of(task)).choice(order, PROMISING, replace=False)
    for number, place in enumerate(chosen, FIRST_PROMISING):
        yield Run(task, number, 0, EPOCHS, {str(name): v for name, v in best[place].items()})


def repeated_runs(task: str, recorded: pd.DataFrame, random: int) -> Iterator[Run]:
    """Repeat the best configurations and some others with further seeds."""
    for run in chosen_runs(task, recorded, random, BEST_REPEATED, OTHERS_REPEATED):
        for seed in range(1, SEEDS):
            yield Run(task, run.number, seed, EPOCHS, run.configuration)


def longer_runs(task: str, recorded: pd.DataFrame, random: int) -> Iterator[Run]:
    """Train the best configurations and some others with the longer schedule."""
    if task in LONGER:
        for run in chosen_runs(task, recorded, random, LONGER_BEST, LONGER_OTHERS):
            yield Run(task, run.number, 0, LONGER_EPOCHS, run.configuration)


STEPS: tuple[Callable[[str, pd.DataFrame, int], Iterable[Run]], ...] = (
    random_runs,
    promising_runs,
    repeated_runs,
    longer_runs,
)
"""What is recorded of a task, each step once the steps before it are recorded."""


def draw(seed: int, count: int) -> list[dict[str, Any]]:
    """Draw configurations from the space; the first N are the same for every count."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    distributions = for_optuna(RANGES)
    return [study.ask(distributions).params for _ in range(count)]


def last_epochs(recorded: pd.DataFrame) -> pd.DataFrame:
    """Give the last row of each configuration's first run; one that failed has an accuracy of 0."""
    first = recorded[(recorded["seed"] == 0) & (recorded["epochs_planned"] == EPOCHS)]
    last = first.sort_values(["number", "epoch"]).groupby("number", as_index=False).tail(1)
    return last.fillna({"val_top1": 0.0, "val_loss": np.inf})


def chosen_runs(
    task: str, recorded: pd.DataFrame, random: int, best: int, others: int
) -> Iterator[Run]:
    """Give the first runs of the best configurations, and by chance some of the random others."""
    last = last_epochs(recorded).set_index("number")
    ranked = last.sort_values(["val_top1", "val_loss"], ascending=[False, True], kind="stable")
    winners = [int(number) for number in ranked.index[:best]]
    rest = [number for number in range(random) if number not in winners]
    chosen = np.random.default_rng(seed_of(task)).choice(rest, others, replace=False)
    for number in (*winners, *chosen.tolist()):
        yield Run(task, number, 0, EPOCHS, last.loc[number, [*RANGES]].to_dict())


@dataclass
class Recording:
    """A task's table and what is still to be recorded.

    Attributes:
        task: name of the small task.
        table: what is recorded.
        random: number of configurations drawn from the whole space.
        step: index in ``STEPS`` of what is being recorded; their number once all is.
        missing: runs of this step that are neither recorded nor being trained.
        training: keys of the runs that are being trained.
    """

    task: str
    table: pd.DataFrame
    random: int
    step: int = -1
    missing: list[Run] = field(default_factory=list)
    training: set[tuple[int, int, int]] = field(default_factory=set)

    @classmethod
    def read(cls, task: str, random: int = RANDOM) -> Recording:
        """Read what is recorded of a task, if anything is."""
        path = path_of(task)
        recording = cls(task, pd.read_parquet(path) if path.exists() else pd.DataFrame(), random)
        recording.go_on()
        return recording

    def go_on(self) -> None:
        """Turn to the next step that lacks a run, unless some of this one are left."""
        while not self.missing and not self.training and self.step < len(STEPS):
            self.step += 1
            if self.step < len(STEPS):
                known = self.recorded_keys()
                wanted = STEPS[self.step](self.task, self.table, self.random)
                self.missing = [run for run in wanted if run.key not in known]

    def recorded_keys(self) -> Collection[tuple[int, int, int]]:
        """Give the keys of the recorded runs."""
        if self.table.empty:
            return set()
        return set(self.table[KEY].itertuples(index=False, name=None))

    def start(self) -> Run:
        """Take the next run."""
        run = self.missing.pop(0)
        self.training.add(run.key)
        return run

    def keep(self, run: Run, rows: pd.DataFrame) -> None:
        """Add a run's rows, and write the table whole.

        Raises:
            ValueError: the rows are of other images than those in the table.
        """
        path = path_of(self.task)
        if not self.table.empty and self.table.attrs != rows.attrs:
            raise ValueError(f"{path}: recorded on other images; move it away to record anew")
        merged = rows if self.table.empty else pd.concat([self.table, rows])
        self.table = merged.sort_values(["epochs_planned", "number", "seed", "epoch"])
        self.table.attrs = rows.attrs
        path.parent.mkdir(exist_ok=True)
        partial_path = path.with_suffix(".partial")
        self.table.to_parquet(partial_path, index=False, compression="zstd")
        partial_path.replace(path)
        self.training.discard(run.key)
        self.go_on()


def path_of(task: str) -> Path:
    """Locate a task's table."""
    return FOLDER / f"{task}.parquet"


def next_run(recordings: Iterable[Recording]) -> Run | None:
    """Start a run of the task that is furthest behind; None where none can start now."""
    behind = [recording for recording in recordings if recording.missing]
    if not behind:
        return None
    return min(behind, key=lambda one: (one.step, -len(one.missing))).start()


def train(run: Run, real: Path | None) -> pd.DataFrame:
    """Train one run to the end.

    Args:
        run: what is trained.
        real: folder of the real images.

    Returns:
        A row per epoch; the fingerprint of the images is in its ``attrs``.
    """
    data = loaded(run.task, real)
    settings = SA2VPSettings(
        inter_dim=int(run.configuration["inter_dim"]),
        inter_weight=run.configuration["inter_weight"],
        lr=run.configuration["lr"],
        batch_size=int(run.configuration["batch_size"]),
        dropout=0.0,
        weight_decay=WEIGHT_DECAY,
        epochs=run.epochs,
        seed=run.seed,
    )
    training = build(data, SMALL_TASKS[run.task].num_classes, settings)
    about = {
        "task": run.task, "number": run.number, "seed": run.seed, "epochs_planned": run.epochs,
        **{name: getattr(settings, name) for name in RANGES},
    }  # fmt: skip
    rows = pd.DataFrame([{**about, **row} for row in epoch_rows(training)])
    rows.attrs = {"images": data.fingerprint}
    return rows


def build(data: TaskData, num_classes: int, settings: SA2VPSettings) -> TrainingRun:
    """Set up a run on the CPU, as ``build_run`` does for the tasks that the project knows."""
    seed_everything(settings.seed)
    model = create_sa2vp(
        demo_backbone(),
        num_classes=num_classes,
        inter_dim=settings.inter_dim,
        inter_weight=settings.inter_weight,
        fusion=settings.fusion,
        dropout=settings.dropout,
    )
    return TrainingRun(
        model,
        settings,
        train=as_examples(data.train),
        val=as_examples(data.val),
        prepare=Normalise(input_size(demo_backbone())),
        device=torch.device("cpu"),
        precision="auto",
    )


def epoch_rows(training: TrainingRun) -> Iterator[dict[str, Any]]:
    """Run a run's epochs, up to one whose loss is not finite."""
    while not training.finished:
        start, start_cpu = time.perf_counter(), time.process_time()
        row: dict[str, Any] = {"val_top1": math.nan, "val_loss": math.nan, "correct": None}
        try:
            metrics = training.run_epoch()
        except NonFiniteLossError:
            pass
        else:
            row |= {"val_top1": metrics.val_top1, "val_loss": metrics.val_loss}
            row["correct"] = correct_bits(training)
        row |= {
            "seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu,
        }  # fmt: skip
        yield {"epoch": training.epoch, **row}
        if row["correct"] is None:
            return


def correct_bits(training: TrainingRun) -> bytes:
    """Pack which validation images the last epoch classified correctly."""
    evaluation = training.validated
    if evaluation is None:
        raise ValueError("the run has no validation split")
    return np.packbits((evaluation.predicted == evaluation.targets).numpy()).tobytes()


def as_examples(split: Split) -> TensorExamples:
    """Take a split's arrays as they are."""
    return TensorExamples(torch.from_numpy(split.images), torch.from_numpy(split.labels))


loaded = cache(load)


@cache
def demo_backbone() -> Backbone:
    """Load the demo's backbone once for all runs of a process."""
    return load_backbone("demo")


def prepare_worker() -> None:
    """Leave a process one thread, and interruptions to the process that started it."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(
    tasks: Annotated[str, typer.Option(metavar="A,B", help="By default all.")] = "",
    real: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with signs/signs.csv and so on; else skipped."),
    ] = None,
    random: Annotated[
        int, typer.Option(help="Random configurations of each task; more can be added later.")
    ] = RANDOM,
    processes: Annotated[int, typer.Option(help="Runs at a time, one thread each.")] = 2,
    minutes: Annotated[
        float | None, typer.Option(help="Start no run after so many; by default go on.")
    ] = None,
) -> None:
    """Record what the tables lack. Interrupt it at any time: runs that have started are kept."""
    console = Console(width=120, highlight=False)
    recordings = {name: Recording.read(name, random) for name in chosen_tasks(tasks, real)}
    stop = Stop(minutes)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=prepare_worker) as executor:
        training: dict[Future[pd.DataFrame], Run] = {}
        while True:
            while len(training) < processes and not stop.asked:
                run = next_run(recordings.values())
                if run is None:
                    break
                training[executor.submit(train, run, real)] = run
            if not training:
                break
            for future in wait(training, return_when=FIRST_COMPLETED).done:
                run, rows = training.pop(future), future.result()
                recordings[run.task].keep(run, rows)
                console.print(line(run, rows), soft_wrap=True)
    console.print(summary(recordings.values()))


def chosen_tasks(tasks: str, real: Path | None) -> list[str]:
    """Choose tasks by name, without those whose images are not given."""
    names = tasks.split(",") if tasks else [*SMALL_TASKS]
    for name in names:
        if name not in SMALL_TASKS:
            known = ", ".join(SMALL_TASKS)
            raise typer.BadParameter(f"unknown task {name!r}; known: {known}", param_hint="--tasks")
    return [name for name in names if real or not SMALL_TASKS[name].real]


class Stop:
    """Tells whether no further run shall start: the time is up, or somebody interrupted.

    A second interruption ends the process at once.
    """

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self._interrupted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, partial(self._interrupt, signal.getsignal(number)))

    def _interrupt(self, previous: Any, number: int, frame: object) -> None:
        del frame
        self._interrupted = True
        signal.signal(number, previous)

    @property
    def asked(self) -> bool:
        """Tell whether to stop."""
        return self._interrupted or (self._end is not None and time.monotonic() > self._end)


def line(run: Run, rows: pd.DataFrame) -> str:
    """Tell of a run that has ended."""
    configuration = " ".join(f"{name}={run.configuration[name]:.3g}" for name in RANGES)
    top1 = rows["val_top1"].iloc[-1]
    return (
        f"{datetime.now():%H:%M:%S} {run.task} {run.number} seed {run.seed}, {run.epochs} epochs, "
        f"{configuration}: {top1:.1f} % in {rows['seconds'].sum():.1f} s, "
        f"{rows['cpu_seconds'].sum():.1f} s of a core"
    )


def summary(recordings: Iterable[Recording]) -> Table:
    """Tell what is recorded, and what it took in all."""
    table = Table("task", "runs", "step", "missing in it", "best", "hours", "core hours")
    tables = []
    for one in recordings:
        if one.table.empty:
            table.add_row(one.task, "0", "1", str(len(one.missing)))
            continue
        tables.append(one.table)
        table.add_row(
            one.task, str(len(one.recorded_keys())),
            str(one.step + 1) if one.step < len(STEPS) else "all done", str(len(one.missing)),
            f"{one.table['val_top1'].max():.1f}", *hours(one.table),
        )  # fmt: skip
    if tables:
        table.add_section()
        table.add_row("in all", "", "", "", "", *hours(pd.concat(tables)))
    return table


def hours(rows: pd.DataFrame) -> tuple[str, str]:
    """Sum up the hours of runs, and of cores."""
    return f"{rows['seconds'].sum() / 3600:.2f}", f"{rows['cpu_seconds'].sum() / 3600:.2f}"


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    typer.run(main)
