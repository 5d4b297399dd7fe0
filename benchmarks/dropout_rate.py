"""Retrain the demo's chosen settings with the published dropout rate, beside their own.

``python benchmarks/dropout_rate.py --results results`` takes the completed final runs of the demo,
trains each again with its setting and seed and dropout 0.1, and prints both mean test accuracies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
import typer

from sa2vp.models import load_backbone
from sa2vp.results.schema import RunRow
from sa2vp.results.store import ResultsStore
from sa2vp.suites import suite_tasks
from sa2vp.training.build import build_run
from sa2vp.tuning.plan import PUBLISHED_DROPOUT
from sa2vp.tuning.protocol import run_settings
from sa2vp.tuning.record import RunRecord


def main(
    results: Annotated[str, typer.Option(metavar="DIR", help="Of a finished demo.")] = "results",
) -> None:
    """Print each task's mean test top-1 with both rates."""
    torch.set_num_threads(1)
    record = RunRecord(ResultsStore(results), "demo")
    for task in suite_tasks("demo"):
        rows = [row for row in record.of(task.name, "final") if row.status == "completed"]
        if not rows:
            print(f"{task.name}: no completed final runs in {results}")
            continue
        own = [row.test_top1 or 0.0 for row in rows]
        published = [last_test_top1(row, PUBLISHED_DROPOUT) for row in rows]
        print(
            f"{task.name}: dropout {rows[0].dropout:g}: {sum(own) / len(own):.1f}, "
            f"dropout {PUBLISHED_DROPOUT:g}: {sum(published) / len(published):.1f}"
        )


def last_test_top1(row: RunRow, dropout: float) -> float:
    """Train a row's run again with another rate; give the last epoch's test top-1 in percent."""
    (task,) = suite_tasks(row.suite, [row.task])
    settings = replace(run_settings(row), dropout=dropout)
    *_, last = build_run(task, load_backbone(row.backbone), settings, final=True)
    return last.test_top1 or 0.0


if __name__ == "__main__":
    typer.run(main)
