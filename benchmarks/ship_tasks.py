"""Makes what ``--learn-from shipped`` reads, from the recorded tables.

``python benchmarks/ship_tasks.py`` writes ``sa2vp/tuning/shipped_tasks.csv``: of each task of
``demo_settings.parquet`` and of ``recorded/`` with enough configurations, every one with its
hyperparameters, its validation top-1 after the last epoch as the mean over its seeds, and the
number of validation images. Trainings of another length than most are left out.
"""

from __future__ import annotations

import csv
from pathlib import Path

from comparison.tables import TaskTable, read_tables
from record_settings import TABLE

from sa2vp.tuning.earlier import IMAGES, SHIPPED_TASKS, TASK, TOP1

FOLDER = Path(__file__).parent / "recorded"

FEWEST = 60
"""Configurations of a task that is shipped."""

DIGITS = 4
"""Of each number that are kept."""


def main() -> None:
    """Write the file."""
    tables: dict[str, TaskTable] = {}
    for path in (FOLDER, TABLE):
        tables |= {one.task: one for one in read_tables(path) if len(one.runs) >= FEWEST}
    names = list(next(iter(tables.values())).space.ranges)
    with SHIPPED_TASKS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([TASK, *names, TOP1, IMAGES])
        for task, table in sorted(tables.items()):
            for configuration, curve in zip(table.configurations, table.means, strict=True):
                values = [*(configuration[name] for name in names), curve[-1, 0]]
                writer.writerow([task, *(f"{one:.{DIGITS}g}" for one in values), table.images])
    print(
        f"{SHIPPED_TASKS.name}: {len(tables)} tasks, {SHIPPED_TASKS.stat().st_size / 1024:.0f} KiB"
    )


if __name__ == "__main__":
    main()
