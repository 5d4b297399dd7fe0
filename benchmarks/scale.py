"""Time the tables of a large results folder, and measure the memory that they take.

``python benchmarks/scale.py`` writes 100,000 made-up runs of 100 epochs each, on the tasks and
backbones of the paper, packed as ``sa2vp pack`` leaves them, and runs ``reproduce_tables.py`` on
them. Of some runs it writes a file each, and times ``sa2vp pack`` too. The accuracies are drawn at
random: the tables say nothing but how long they take.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from cyclopts import Parameter

from sa2vp.cli.commands import run_script
from sa2vp.printing import Console
from sa2vp.results.packing import ROWS_PER_GROUP, RUNS_PER_FILE
from sa2vp.results.schema import EPOCH_SCHEMA, PREDICTION_SCHEMA, RUN_SCHEMA
from sa2vp.suites import suite_tasks

ROOT = Path(__file__).parents[1]
PLACES = [
    (suite, task.name, backbone)
    for suite, backbone in (
        ("fgvc", "vit-b16"), ("vtab-1k", "vit-b16"), ("vtab-1k", "swin-b"), ("hta", "vit-b16"),
    )
    for task in suite_tasks(suite)
]  # fmt: skip
SEEDS = 3
TEST_IMAGES, CLASSES = 1_000, 10
PACK = "import sys; from sa2vp.cli.main import main; sys.exit(main())"
BEGUN = pd.Timestamp("2026-01-01", tz="UTC")


def main(
    runs: Annotated[int, Parameter(help="In all.")] = 100_000,
    epochs: Annotated[int, Parameter(help="Of each.")] = 100,
    unpacked: Annotated[int, Parameter(help="Further runs, with a file each.")] = 2_000,
    keep: Annotated[Path | None, Parameter(help="Write the folder here, and keep it.")] = None,
) -> None:
    """Print seconds and peak memory of the tables, packed and with further files of one run."""
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary) / "results"
        begun = time.perf_counter()
        write_packed(folder, runs, epochs)
        console.print(
            f"{runs:,} runs, {runs * epochs:,} epochs, {size_gib(folder):.2f} GiB, written in "
            f"{time.perf_counter() - begun:.0f} s"
        )
        console.print(f"tables: {timed('reproduce_tables.py', '--results', folder)}")
        if unpacked:
            write_apart(folder, runs, unpacked, epochs)
            also = f"with {unpacked:,} more runs of a file each"
            console.print(f"tables {also}: {timed('reproduce_tables.py', '--results', folder)}")
            packing = timed("-c", PACK, "pack", "--results", folder)
            console.print(f"sa2vp pack of those: {packing}")
            console.print(f"tables after it: {timed('reproduce_tables.py', '--results', folder)}")


def timed(*arguments: str | Path) -> str:
    """Run a command of this project; tell its seconds and the most memory that any has taken."""
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - fixed arguments
        [sys.executable, *map(str, arguments)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return f"{seconds:.1f} s, at most {peak:.2f} GiB so far"


def size_gib(folder: Path) -> float:
    """Add up a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 2**30


def run_rows(first: int, count: int, epochs: int) -> pd.DataFrame:
    """Make up runs; of every task, the first ones are its final runs."""
    rng = np.random.default_rng(first)
    number = np.arange(first, first + count)
    place, of_task = number % len(PLACES), number // len(PLACES)
    final = of_task < SEEDS
    stopped = ~final & (rng.random(count) < 0.6)
    top1 = rng.normal(75, 8, count).clip(1, 100).round(2)
    suite, task, backbone = (np.array(column)[place] for column in zip(*PLACES, strict=True))
    phase = np.where(final, "final", "search")
    name = np.where(final, [f"seed{n + 1}" for n in of_task], [f"{n:06d}" for n in of_task])
    started = BEGUN + pd.to_timedelta(number // 8 * 60, unit="s")
    frame = pd.DataFrame({
        "run_id": [f"{s}-{t}-{b}-{p}-{n}" for s, t, b, p, n in zip(
            suite, task, backbone, phase, name, strict=True)],
        "suite": suite, "task": task, "backbone": backbone, "method": "sa2vp", "phase": phase,
        # The final runs of a task share their setting.
        "inter_dim": np.where(final, 16, rng.choice([4, 8, 16, 32, 64], count)),
        "inter_weight": np.where(final, 0.5, np.exp(rng.uniform(np.log(0.05), np.log(2), count))),
        "lr": np.where(final, 1e-3, np.exp(rng.uniform(np.log(1e-4), np.log(5e-3), count))),
        "batch_size": np.where(final, 64, rng.choice([64, 128], count)),
        "weight_decay": 1e-4, "epochs_planned": epochs, "seed": np.where(final, of_task + 1, 0),
        "status": np.where(stopped, "stopped", "completed"),
        "epochs_done": epochs,  # all have as many rows, for a round number of them
        "last_val_top1": top1, "best_val_top1": top1,
        "test_top1": np.where(final, top1, np.nan),
        "best_epoch_test_top1": np.where(final, top1, np.nan),
        "trainable_params": 372_912, "backbone_params": 85_798_656, "seconds": 55.0,
        "peak_memory_gib": 4.0, "data_fingerprint": task, "versions": '{"torch": "2"}',
        "commit": "0" * 40, "started_at": started,
        "finished_at": started + pd.Timedelta(seconds=58), "dropout": 0.1,
        "backbone_fingerprint": backbone, "micro_batch": 64, "precision": "bfloat16", "workers": 1,
        "fusion": "exact", "image_size": 224,
    })  # fmt: skip
    return frame.sort_values("run_id", ignore_index=True)


def epoch_rows(runs: pd.DataFrame, epochs: int) -> pd.DataFrame:
    """Make up the epochs of runs: a curve towards their accuracy."""
    epoch = np.tile(np.arange(1, epochs + 1), len(runs))
    top1 = np.repeat(runs["last_val_top1"].to_numpy(), epochs) * (1 - 0.8 ** np.sqrt(epoch))
    final = np.repeat((runs["phase"] == "final").to_numpy(), epochs)
    return pd.DataFrame({
        "run_id": runs["run_id"].repeat(epochs).to_numpy(), "epoch": epoch,
        "lr": 1e-3 * (1 - epoch / (epochs + 1)), "train_loss": 5 - top1 / 25,
        "val_loss": 5.1 - top1 / 25, "val_top1": top1.round(2),
        "test_top1": pd.Series(top1.round(2)).where(final), "seconds": 0.55,
        "images_per_second": 1500.0,
    })  # fmt: skip


def prediction_rows(runs: pd.DataFrame) -> pd.DataFrame:
    """Make up what the final runs make of the test images."""
    rng = np.random.default_rng(0)
    target = np.tile(np.arange(TEST_IMAGES) % CLASSES, len(runs))
    right = rng.random(len(target)) < np.repeat(runs["test_top1"].to_numpy() / 100, TEST_IMAGES)
    predicted = np.where(right, target, (target + 1) % CLASSES)
    return pd.DataFrame({
        "run_id": runs["run_id"].repeat(TEST_IMAGES).to_numpy(),
        "image": np.tile(np.arange(TEST_IMAGES), len(runs)), "target": target,
        "predicted": predicted, "correct": predicted == target,
    })  # fmt: skip


def datasets(runs: pd.DataFrame, epochs: int) -> Iterator[tuple[str, pa.Table]]:
    """Give the rows of each dataset for some runs."""
    yield "epochs", table(epoch_rows(runs, epochs), EPOCH_SCHEMA)
    final = runs[runs["phase"] == "final"]
    if len(final):
        yield "predictions", table(prediction_rows(final), PREDICTION_SCHEMA)
    yield "runs", table(runs, RUN_SCHEMA)


def table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Bring rows into the schema; what is not made up is empty."""
    return pa.Table.from_pandas(frame.reindex(columns=schema.names), schema, preserve_index=False)


def write_packed(folder: Path, runs: int, epochs: int) -> None:
    """Write runs as ``sa2vp pack`` does."""
    for first in range(0, runs, RUNS_PER_FILE):
        rows = run_rows(first, min(RUNS_PER_FILE, runs - first), epochs)
        for dataset, content in datasets(rows, epochs):
            (folder / dataset).mkdir(parents=True, exist_ok=True)
            path = folder / dataset / f"packed-{first:09d}.parquet"
            pq.write_table(content, path, row_group_size=ROWS_PER_GROUP)


def write_apart(folder: Path, first: int, runs: int, epochs: int) -> None:
    """Write a file per run, as a search does."""
    for number in range(first, first + runs):
        rows = run_rows(number, 1, epochs)
        for dataset, content in datasets(rows, epochs):
            pq.write_table(content, folder / dataset / f"{rows['run_id'][0]}.parquet")


if __name__ == "__main__":
    run_script(main)
