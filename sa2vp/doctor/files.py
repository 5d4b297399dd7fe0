"""Whether a checkpoint and a suite's data fit, as a search would find them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sa2vp.data.check import check_task
from sa2vp.data.options import DataOptions
from sa2vp.doctor.report import Line, judged
from sa2vp.models import load_backbone
from sa2vp.models.fingerprint import fingerprint
from sa2vp.suites import suite_tasks

CHECK = "files"


def look_at_backbone(name: str, checkpoint: Path | None) -> Iterator[Line]:
    """Load the backbone from its file."""
    backbone = load_backbone(name, checkpoint)
    count = sum(array.numel() for array in backbone.parameters())
    yield judged(
        CHECK, f"backbone {name}", f"{count:,} numbers, fingerprint {fingerprint(backbone)}",
        good=True,
    )  # fmt: skip


def look_at_data(suite: str, data_dir: Path | None) -> Iterator[Line]:
    """Check every task's lists and images."""
    options = DataOptions(data_dir=None if data_dir is None else str(data_dir.resolve()))
    for task in suite_tasks(suite, None):
        report = check_task(task, options)
        counts = ", ".join(f"{count:,} {split}" for split, count in report.images.items())
        found = "; ".join(report.problems) or counts
        yield judged(CHECK, f"data of {task.name}", found, good=not report.problems)
