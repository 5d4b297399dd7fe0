"""What determines a run besides its data, its backbone and its method's model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import Field
from pydantic.fields import FieldInfo

from sa2vp.hyperparameters import (
    HyperparameterError,
    Hyperparameters,
    check_value,
    refuse_unknown,
)
from sa2vp.methods.base import Method
from search_spaces.kinds import MAX_COUNT, Value

MAX_SEED = 2**63 - 1

PRECISIONS = ("auto", "float32", "tf32", "bfloat16", "float16")
"""What a run can be asked to compute in; ``auto`` leaves it to the device. ``tf32`` is float32, the
factors of whose products a GPU rounds to 10 bits of mantissa; in ``float32`` it rounds none."""

GPU_ONLY = ("tf32", "float16")


class Training(Hyperparameters):
    """How a run trains, whatever its method. The defaults are the published ones."""

    lr: float = Field(gt=0, description="Peak learning rate.")
    batch_size: int = Field(ge=1, le=MAX_COUNT, description="Images per step.")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay of matrices.")
    min_lr: float = Field(1e-7, ge=0, description="Learning rate at the schedule's end.")
    warmup_epochs: float | None = Field(
        None, ge=0, description="Epochs of linear warm-up. Default: a tenth of all."
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Label smoothing in training.")
    grad_clip: float | None = Field(
        None, gt=0, description="Largest norm of the gradients. Default: they are not clipped."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfiguration:
    """What determines a run besides its data and its backbone.

    Attributes:
        method: with its hyperparameters.
        training: checked by itself.
        epochs: passes over the training split; the schedule spans all of them.
        seed: of the initial weights, the order of images and the dropout.
    """

    method: Method
    training: Training
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse what no run can be made of.

        Raises:
            HyperparameterError: names the field, the value and what is allowed.
        """
        if self.epochs < 1:
            raise HyperparameterError("epochs", f"epochs must be 1 or more, got {self.epochs}")
        if not 0 <= self.seed <= MAX_SEED:
            raise HyperparameterError("seed", f"seed must be from 0 to {MAX_SEED}, got {self.seed}")
        training = self.training
        if (training.warmup_epochs or 0) >= self.epochs:
            raise HyperparameterError(
                "warmup_epochs",
                f"warmup_epochs must be below the {self.epochs} epochs of the run, "
                f"got {training.warmup_epochs:g}",
            )
        if training.min_lr > training.lr:
            raise HyperparameterError(
                "min_lr", f"min_lr must not exceed lr {training.lr:g}, got {training.min_lr:g}"
            )

    @classmethod
    def of(
        cls, method: type[Method], values: Mapping[str, object], *, epochs: int, seed: int
    ) -> Self:
        """Check the hyperparameters of a method and of training.

        Args:
            method: whose hyperparameters are among the values.
            values: by name; those that are left out have their defaults.
            epochs: of the run.
            seed: of the run.

        Raises:
            HyperparameterError: names the first that is unknown, missing or out of range.
        """
        refuse_unknown(values, known_hyperparameters(method))
        own, shared = (
            {name: value for name, value in values.items() if name in part.model_fields}
            for part in (method, Training)
        )
        return cls(method=method.of(own), training=Training.of(shared), epochs=epochs, seed=seed)

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """Give every hyperparameter by name."""
        return {**self.method.by_name, **self.training.by_name}

    def described(self) -> dict[str, Value]:
        """Give everything by name, as a checkpoint keeps it."""
        run: dict[str, Value] = {"epochs": self.epochs, "seed": self.seed}
        return {"method": self.method.name, **run, **self.hyperparameters}


def check_hyperparameter(method: type[Method], name: str, value: object) -> Value:
    """Check a value by itself, and give it in its field's type.

    Raises:
        HyperparameterError: the method and its training know no such hyperparameter, or it is out
            of range.
    """
    known = known_hyperparameters(method)
    refuse_unknown([name], known)
    return check_value(name, known[name], value)


def known_hyperparameters(method: type[Method]) -> dict[str, FieldInfo]:
    """Give every hyperparameter that can be set or searched with a method, by name."""
    return {**method.model_fields, **Training.model_fields}
