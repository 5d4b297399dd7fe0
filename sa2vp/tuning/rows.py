"""The two kinds of row that results consist of. Accuracies are percent, times UTC."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self, get_args

import pyarrow as pa

from search_spaces.kinds import HYPERPARAMETERS

Phase = Literal["search", "confirm", "final"]
Status = Literal["running", "completed", "stopped", "failed"]

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(kw_only=True, slots=True)
class RunRow:
    """One run: its setting, where it stands and what it reached.

    Attributes:
        run_id: readable, and the same whenever the same search is run.
        suite: the list of tasks.
        task: the dataset.
        backbone: as given to ``--backbone``.
        method: ``sa2vp`` or ``linear``.
        phase: ``search`` sees validation only, as ``confirm``, which retrains one of the best
            settings; ``final`` retrains the chosen setting and tests.
        inter_dim: channels of prompts and bottleneck; None for ``linear``.
        inter_weight: the fusion's weight; None for ``linear``.
        lr: peak learning rate.
        batch_size: images per step.
        weight_decay: on matrices.
        epochs_planned: unless stopped earlier.
        seed: of the run.
        status: ``stopped`` is ASHA's decision, ``failed`` is not.
        reason: why it stopped or failed.
        epochs_done: so far.
        last_val_top1: of the last epoch done; None, as best_val_top1, before the first epoch and in
            final runs that train on the validation split too.
        best_val_top1: over the epochs done.
        test_top1: of the last planned epoch, final runs only.
        best_epoch_test_top1: the best over the epochs, as the published code prints it.
        trainable_params: learned, without the head; known from the first epoch on.
        backbone_params: frozen.
        seconds: of training and evaluation.
        peak_memory_gib: of the process, or of the GPU where there is one.
        data_fingerprint: of the task's images, labels and splits.
        versions: JSON of the packages that matter.
        commit: of this project, where it runs from a checkout.
        started_at: when the run was given to the cluster.
        finished_at: None while running.
        dropout: rate while training; None for ``linear``.
        backbone_fingerprint: of the backbone's weights; known from the first epoch on.
        micro_batch: training images at once on one device; None before the first epoch.
        precision: of the forward pass, as used; None before the first epoch.
        workers: that shared its last epoch.
        fusion: ``exact`` or ``acc``; None for ``linear``.
        image_size: height and width in pixels that the backbone sees; None before the first epoch.
        expected_test_top1: by the recipe that this run repeats; None where it repeats none.
        matched: whether test_top1 is that very number; None before the last epoch.
    """

    run_id: str
    suite: str
    task: str
    backbone: str
    method: str
    phase: Phase
    inter_dim: int | None
    inter_weight: float | None
    lr: float
    batch_size: int
    weight_decay: float
    epochs_planned: int
    seed: int
    status: Status
    reason: str | None = None
    epochs_done: int = 0
    last_val_top1: float | None = None
    best_val_top1: float | None = None
    test_top1: float | None = None
    best_epoch_test_top1: float | None = None
    trainable_params: int | None = None
    backbone_params: int | None = None
    seconds: float = 0.0
    peak_memory_gib: float | None = None
    data_fingerprint: str
    versions: str
    commit: str | None
    started_at: datetime
    finished_at: datetime | None = None
    dropout: float | None
    backbone_fingerprint: str | None = None
    micro_batch: int | None = None
    precision: str | None = None
    workers: int = 1
    fusion: str | None = None
    image_size: int | None = None
    expected_test_top1: float | None = None
    matched: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no search writes, of rows that were read.

        Raises:
            ValueError: names the column.
        """
        for name, known in (("phase", get_args(Phase)), ("status", get_args(Status))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known: {', '.join(known)}")
        if "/" in self.run_id:  # it becomes a file's name
            raise ValueError(f"run_id is {self.run_id!r}")

    @property
    def setting(self) -> dict[str, Any]:
        """Give the searched hyperparameters."""
        return {name: getattr(self, name) for name in HYPERPARAMETERS}


def trial_number(run_id: str) -> int:
    """Give the number of a trial within its task; the first is 0."""
    return int(run_id.rpartition("-")[2])


@dataclass(kw_only=True, slots=True)
class EpochRow:
    """One epoch of one run.

    ``test_top1`` is empty in a search, ``val_loss`` and ``val_top1`` in a final run that trains on
    the validation split too.
    """

    run_id: str
    epoch: int
    lr: float
    train_loss: float
    val_loss: float | None
    val_top1: float | None
    test_top1: float | None
    seconds: float
    images_per_second: float

    @classmethod
    def from_metrics(cls, run_id: str, metrics: dict[str, Any]) -> Self:
        """Pick a row's columns from what a trial reported."""
        names = [field.name for field in fields(cls) if field.name != "run_id"]
        return cls(run_id=run_id, **{name: metrics[name] for name in names})


@dataclass(kw_only=True, slots=True)
class PredictionRow:
    """What a final run, after its last epoch, makes of one test image.

    Attributes:
        run_id: of the run.
        image: its place in the test split, from 0.
        target: its class.
        predicted: by the image stream.
        correct: whether they are the same.
    """

    run_id: str
    image: int
    target: int
    predicted: int
    correct: bool


_ARROW_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": TIMESTAMP,
}


def _schema(row_class: type[RunRow] | type[EpochRow] | type[PredictionRow]) -> pa.Schema:
    """Derive the Parquet schema, so that a column is written down once."""
    columns = []
    for field in fields(row_class):
        kind, _, optional = str(field.type).partition(" | ")
        arrow_type = _ARROW_TYPES.get(kind, pa.string())  # Phase and Status are strings
        columns.append(pa.field(field.name, arrow_type, nullable=bool(optional)))
    return pa.schema(columns)


RUN_SCHEMA = _schema(RunRow)
EPOCH_SCHEMA = _schema(EpochRow)
PREDICTION_SCHEMA = _schema(PredictionRow)
