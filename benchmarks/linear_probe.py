"""Search and test a linear probe on each demo task, beside SA2VP in the same results.

``python benchmarks/linear_probe.py --results results`` trains as long as SA2VP did, tries as many
learning rates, over a wider range, chooses by validation and retrains with as many seeds. The rows
have method ``linear``; ``python reproduce_tables.py`` then shows them beside SA2VP.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import torch
import typer
from timm.models.vision_transformer import VisionTransformer

from sa2vp.data.images.batches import TensorExamples
from sa2vp.data.images.normalise import Normalise
from sa2vp.data.readers.base.decoded import Split
from sa2vp.data.readers.demo import load_task
from sa2vp.models import load_backbone
from sa2vp.models.linear_probe import LinearProbe, class_token_features
from sa2vp.results.schema import EpochRow, Phase, RunRow
from sa2vp.results.store import ResultsStore
from sa2vp.suites import SUITES, Task, suite_tasks
from sa2vp.training.build import input_size
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import TrainingRun
from sa2vp.training.settings import RunSettings
from sa2vp.tuning.plan import WEIGHT_DECAY
from sa2vp.tuning.provenance import gather_provenance

LOWEST_LR, HIGHEST_LR = 1e-3, 10.0  # a factor of 10,000; SA2VP's range in the demo: 40
BATCH_SIZE = 20  # of the demo space's 20 and 40, the better for the probe on every task

logger = logging.getLogger(__name__)


def main(
    results: Annotated[str, typer.Option(metavar="DIR", help="Where the rows go.")] = "results",
    suite: Annotated[str, typer.Option(help="The list of tasks.")] = "demo",
    backbone: Annotated[str, typer.Option(help="The frozen backbone.")] = "demo",
    trials: Annotated[int, typer.Option(help="Learning rates per task.")] = 12,
    seeds: Annotated[int, typer.Option(help="Final runs per task.")] = 3,
) -> None:
    """Probe every task of a suite."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store, frozen = ResultsStore(results), load_backbone(backbone).requires_grad_(False)
    for task in suite_tasks(suite):
        probe = TaskProbe(task, backbone, frozen, store, SUITES[suite].epochs)
        probe.search_and_test(trials, seeds)


class TaskProbe:
    """The probe's runs on one task.

    Args:
        task: what is classified.
        backbone_name: for the rows.
        backbone: frozen.
        store: where the rows go.
        epochs: of every run.
    """

    def __init__(
        self,
        task: Task,
        backbone_name: str,
        backbone: VisionTransformer,
        store: ResultsStore,
        epochs: int,
    ) -> None:
        data = load_task(task)
        self._task, self._backbone_name, self._store, self._epochs = (
            task,
            backbone_name,
            store,
            epochs,
        )
        self._backbone_params = sum(p.numel() for p in backbone.parameters())
        self._train, self._val, self._test = (
            features_of(backbone, split) for split in (data.train, data.val, data.test)
        )
        self._provenance, self._fingerprint = gather_provenance(), data.fingerprint

    def search_and_test(self, trials: int, seeds: int) -> None:
        """Try learning rates, then retrain and test the best by validation."""
        rates = np.geomspace(LOWEST_LR, HIGHEST_LR, trials).tolist()
        tried = [self._run("search", f"{n:04d}", lr, seed=0) for n, lr in enumerate(rates)]
        best = max(tried, key=lambda row: row.last_val_top1 or 0.0)
        for seed in range(1, seeds + 1):
            row = self._run("final", f"seed{seed}", best.lr, seed=seed)
            logger.info(
                "%s: lr %.3g, val top-1 %.1f, test top-1 %.1f",
                row.run_id,
                row.lr,
                row.last_val_top1,
                row.test_top1,
            )

    def _run(self, phase: Phase, suffix: str, lr: float, *, seed: int) -> RunRow:
        settings = RunSettings(
            lr=lr,
            batch_size=BATCH_SIZE,
            weight_decay=WEIGHT_DECAY,
            epochs=self._epochs,
            seed=seed,
        )
        row = RunRow(
            run_id=f"{self._task.suite}-{self._task.name}-linear-{phase}-{suffix}",
            uid=uuid.uuid4().hex,
            suite=self._task.suite,
            task=self._task.name,
            backbone=self._backbone_name,
            method="linear",
            phase=phase,
            inter_dim=None,
            inter_weight=None,
            lr=lr,
            batch_size=settings.batch_size,
            weight_decay=settings.weight_decay,
            dropout=None,
            epochs_planned=settings.epochs,
            seed=seed,
            status="completed",
            trainable_params=0,
            backbone_params=self._backbone_params,
            data_fingerprint=self._fingerprint,
            versions=self._provenance.versions,
            commit=self._provenance.commit,
            started_at=datetime.now(UTC),
        )
        run = self._start(settings, test=phase == "final")
        epochs = [EpochRow.from_metrics(row.run_id, asdict(metrics)) for metrics in run]
        row.sum_up(epochs)
        row.finished_at = datetime.now(UTC)
        if run.tested is not None:
            targets, predicted = run.tested.targets.tolist(), run.tested.predicted.tolist()
            self._store.write_predictions(row.run_id, targets, predicted)
        self._store.write_epochs(row.run_id, epochs)
        self._store.write_run(row)
        return row

    def _start(self, settings: RunSettings, *, test: bool) -> TrainingRun:
        seed_everything(settings.seed)
        return TrainingRun(
            LinearProbe(self._train.inputs.shape[1], self._task.num_classes),
            settings,
            train=self._train,
            val=self._val,
            test=self._test if test else None,
            prepare=lambda features, _: features,
            device=torch.device("cpu"),
        )


def features_of(backbone: VisionTransformer, split: Split) -> TensorExamples:
    """Compute a split's features once."""
    images = Normalise(input_size(backbone))(torch.from_numpy(split.images))
    return TensorExamples(class_token_features(backbone, images), torch.from_numpy(split.labels))


if __name__ == "__main__":
    typer.run(main)
