"""What runs reach, as Ray metrics that Prometheus scrapes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ray.tune import Callback
from ray.util.metrics import Gauge

from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.task_search import METRIC

OF_A_RUN = {
    "epoch": "Epochs done.",
    "val_top1": "Validation top-1 after the epoch, percent.",
    "train_loss": "Mean loss over the epoch's training images.",
    "val_loss": "Mean loss over the validation images.",
    "images_per_second": "Training images per second in the epoch.",
    "peak_memory_gib": "Highest memory use of a worker so far, GiB.",
}
"""By the name in a trial's report; in Prometheus ``ray_sa2vp_`` stands before it."""

RUN_TAGS = ("suite", "task", "phase", "run_id")
COUNT_TAGS = ("suite", "task", "phase", "status")


class ExportMetrics(Callback):
    """Sets gauges in the driver, which Ray's agent on its node exports.

    Args:
        record: of all runs; entered before this callback is told.
    """

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._gauges = {
            name: Gauge(f"sa2vp_{name}", description, tag_keys=RUN_TAGS)
            for name, description in OF_A_RUN.items()
        }
        self._runs = Gauge("sa2vp_runs", "Runs.", tag_keys=COUNT_TAGS)
        self._counted: set[tuple[str, ...]] = set()
        self._count()

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out: Tune pickles its callbacks, for a way back that is not ours."""
        return {}

    def on_trial_start(self, *_: Any, **__: Any) -> None:
        """Count the runs again."""
        self._count()

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        """Count the runs again."""
        self._count()

    def on_trial_error(self, *_: Any, **__: Any) -> None:
        """Count the runs again."""
        self._count()

    def on_trial_result(self, *_: Any, trial: Any, result: dict[str, Any], **__: Any) -> None:
        """Set the gauges of a run that has done an epoch."""
        if METRIC not in result:
            return
        row = self._record.runs[trial.config["run_id"]]
        tags = {name: str(getattr(row, name)) for name in RUN_TAGS}
        for name, gauge in self._gauges.items():
            if result.get(name) is not None:
                gauge.set(float(result[name]), tags=tags)

    def _count(self) -> None:
        counts: Counter[tuple[str, ...]] = Counter(
            tuple(str(getattr(row, name)) for name in COUNT_TAGS)
            for row in self._record.runs.values()
        )
        for key in self._counted | set(counts):
            self._runs.set(float(counts[key]), tags=dict(zip(COUNT_TAGS, key, strict=True)))
        self._counted |= set(counts)
