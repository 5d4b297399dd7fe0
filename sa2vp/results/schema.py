"""The rows that results consist of, and how they lie in Parquet. Accuracies are percent, times UTC.

``docs/results.md`` says what each column means to a reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self, get_args

import pyarrow as pa

from search_spaces.kinds import Value

Phase = Literal["search", "confirm", "final"]
Status = Literal["running", "completed", "stopped", "failed"]
Decision = Literal["continue", "stop"]

OWN_COLUMNS = (
    "inter_dim", "inter_weight", "lr", "batch_size", "weight_decay", "dropout", "fusion",
)  # fmt: skip
"""Hyperparameters that have a column each; the others of a run stand in ``hyperparameters``."""

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(kw_only=True, slots=True)
class RunRow:
    """One run: its configuration, where it stands and what it reached.

    Attributes:
        run_id: readable, and the same whenever the same search is run.
        uid: of this very run. One that is begun anew under the same run_id has another, so that
            neither takes up the other's checkpoints.
        suite: the list of tasks.
        task: the dataset.
        backbone: as given to ``--backbone``.
        method: that adapts the backbone.
        phase: ``search`` sees validation only, as ``confirm``, which retrains one of the best
            configurations; ``final`` retrains the chosen one and tests.
        searched: JSON list of the hyperparameters that the search's space holds.
        hyperparameters: JSON object of those, searched or not, that have no column of their own.
        inter_dim: channels of prompts and bottleneck; None where a method has none, as with
            inter_weight, dropout and fusion.
        inter_weight: the fusion's weight.
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
        last_val_loss: likewise.
        best_val_top1: over the epochs done.
        test_top1: of the last planned epoch, final runs only.
        test_top1_at_best_val: of the first epoch with the best validation top-1, which the authors
            report on FGVC; None where the run trains on the validation split too.
        best_epoch_test_top1: the best over the epochs, as the published code prints it; None unless
            every epoch was tested.
        trainable_params: learned, without the head; known from the first epoch on.
        backbone_params: frozen.
        seconds: of training and evaluation.
        peak_memory_gib: of the process, or of the GPU where there is one.
        data_fingerprint: of the task's images, labels and splits.
        versions: JSON of the packages that matter, as the worker of the last epoch has them.
        commit: of this project there, where it is known.
        earlier_versions: JSON list of what else the run was trained with, where a later session
            or another node had other versions: each with ``versions``, ``commit`` and
            ``until_epoch``.
        starts: how often the run was given to the cluster.
        started_at: when the run was given to the cluster.
        finished_at: None while running.
        dropout: rate while training.
        backbone_fingerprint: of the backbone's weights; known from the first epoch on.
        micro_batch: training images at once on one device; None before the first epoch.
        precision: of the forward pass, as used; None before the first epoch.
        workers: that shared its last epoch.
        fusion: ``exact`` or ``acc``.
        image_size: height and width in pixels that the backbone sees; None before the first epoch.
        expected_test_top1: by the recipe that this run repeats; None where it repeats none.
        matched: whether test_top1 is that very number; None before the last epoch.
    """

    run_id: str
    uid: str
    suite: str
    task: str
    backbone: str
    method: str
    phase: Phase
    searched: str
    hyperparameters: str
    inter_dim: int | None = None
    inter_weight: float | None = None
    lr: float
    batch_size: int
    weight_decay: float
    epochs_planned: int
    seed: int
    status: Status
    reason: str | None = None
    epochs_done: int = 0
    last_val_top1: float | None = None
    last_val_loss: float | None = None
    best_val_top1: float | None = None
    test_top1: float | None = None
    test_top1_at_best_val: float | None = None
    best_epoch_test_top1: float | None = None
    trainable_params: int | None = None
    backbone_params: int | None = None
    seconds: float = 0.0
    peak_memory_gib: float | None = None
    data_fingerprint: str
    versions: str
    commit: str | None
    earlier_versions: str | None = None
    starts: int = 0
    started_at: datetime
    finished_at: datetime | None = None
    dropout: float | None = None
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
        for name, known in (("phase", PHASES), ("status", STATUSES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known: {', '.join(known)}")
        if "/" in self.run_id:  # it becomes a file's name
            raise ValueError(f"run_id is {self.run_id!r}")
        for name, kind in (("searched", list), ("hyperparameters", dict)):
            try:
                sound = isinstance(json.loads(getattr(self, name)), kind)
            except (ValueError, RecursionError):
                sound = False
            if not sound:
                raise ValueError(f"{name} is {getattr(self, name)!r:.60}")
        values = self.values
        if not all(isinstance(name, str) and name in values for name in json.loads(self.searched)):
            raise ValueError(f"searched is {self.searched!r:.60}, not among the run's values")

    @property
    def values(self) -> dict[str, Value]:
        """Give every hyperparameter, searched or not, by name."""
        own = {name: getattr(self, name) for name in OWN_COLUMNS}
        known = {name: value for name, value in own.items() if value is not None}
        return {**known, **json.loads(self.hyperparameters)}

    @property
    def configuration(self) -> dict[str, Value]:
        """Give what was searched, by name: a point of the search's space."""
        values = self.values
        return {name: values[name] for name in json.loads(self.searched)}

    def sum_up(
        self, epochs: Sequence[EpochRow], test_top1_at_best_val: float | None = None
    ) -> None:
        """Enter what the epochs done so far add up to.

        Args:
            epochs: of the run.
            test_top1_at_best_val: which only the run itself can tell where it tests at its end.
        """
        last = epochs[-1]
        validated = [e for e in epochs if e.val_top1 is not None]
        tested = [e.test_top1 for e in epochs if e.test_top1 is not None]
        best = max(validated, key=lambda e: e.val_top1 or 0.0, default=None)  # the first of equals
        self.epochs_done = last.epoch
        self.last_val_top1, self.last_val_loss = last.val_top1, last.val_loss
        self.best_val_top1 = best.val_top1 if best else None
        at_best = best.test_top1 if best else None
        self.test_top1_at_best_val = at_best if at_best is not None else test_top1_at_best_val
        self.best_epoch_test_top1 = max(tested) if len(tested) == len(epochs) else None
        self.test_top1 = last.test_top1 if last.epoch == self.epochs_planned else None
        self.seconds = sum(e.seconds for e in epochs)


def hyperparameter_columns(values: Mapping[str, Value], searched: Iterable[str]) -> dict[str, Any]:
    """Give the columns of a run that hold its hyperparameters.

    Args:
        values: of every hyperparameter, by name.
        searched: names of those that the search's space holds.
    """
    own = {name: value for name, value in values.items() if name in OWN_COLUMNS}
    others = {name: value for name, value in values.items() if name not in OWN_COLUMNS}
    return {
        **own,
        "hyperparameters": json.dumps(others, sort_keys=True),
        "searched": json.dumps(list(searched)),
    }


@dataclass(kw_only=True, slots=True)
class EpochRow:
    """One epoch of one run.

    ``test_top1`` is empty in a search, ``val_loss`` and ``val_top1`` in a final run that trains on
    the validation split too. ``decision`` is what the scheduler made of the epoch of a trial,
    ``continue`` or ``stop``; it is empty where there was nothing to decide. ``reason`` says why the
    trial was stopped there.
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
    decision: Decision | None = None
    reason: str | None = None

    @classmethod
    def from_metrics(cls, run_id: str, metrics: dict[str, Any]) -> Self:
        """Pick a row's columns from what a trial reported."""
        own = ("run_id", "decision", "reason")
        names = [field.name for field in fields(cls) if field.name not in own]
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
        arrow_type = _ARROW_TYPES.get(kind, pa.string())  # Phase, Status and Decision are strings
        columns.append(pa.field(field.name, arrow_type, nullable=bool(optional)))
    return pa.schema(columns)


PHASES: tuple[str, ...] = get_args(Phase)
STATUSES: tuple[str, ...] = get_args(Status)

RUN_SCHEMA = _schema(RunRow)
EPOCH_SCHEMA = _schema(EpochRow)
PREDICTION_SCHEMA = _schema(PredictionRow)
