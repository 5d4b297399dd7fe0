"""The card of a trained model: where it comes from and what it reached, as JSON.

It stands in the metadata of the safetensors file that holds the learned arrays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from sa2vp.results.schema import RunRow
from sa2vp.tuning.limits import MAX_IMAGE_SIZE, MAX_SEED
from sa2vp.use.errors import UseError
from sa2vp.use.files import missing
from search_spaces.kinds import MAX_COUNT, MAX_DIM

CARD_KEY = "sa2vp_card"
SCHEMA_VERSION = 1

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What a run was trained with, by the names of the results.

    Attributes:
        epochs_planned: all of them done.
        fusion: ``exact`` where the results do not say.
    """

    inter_dim: Annotated[int, Field(ge=1, le=MAX_DIM)]
    inter_weight: Number
    lr: Number
    batch_size: Count
    weight_decay: Number
    dropout: Number
    epochs_planned: Count
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    fusion: str = "exact"


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A final run, by the names of the results. Accuracies are percent.

    Attributes:
        num_classes: labels run from 0 to ``num_classes - 1``.
        class_names: by label, where the task knows them.
        last_val_top1: of the last epoch; None where the run trained on the validation split too.
        test_top1: of the last epoch.
        image_size: height and width in pixels that the backbone sees.
        transform: of the task, as :class:`~sa2vp.suites.Task` has it.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    suite: str
    task: str
    num_classes: Count
    class_names: list[str] | None = None
    setting: Setting
    last_val_top1: Number | None
    test_top1: Number
    backbone: str
    backbone_fingerprint: str
    image_size: Annotated[int, Field(ge=1, le=MAX_IMAGE_SIZE)]
    transform: Literal["resize", "crop"]
    data_fingerprint: str
    versions: dict[str, str]
    commit: str | None

    def __post_init__(self) -> None:
        """Refuse names that are not one for each class."""
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"{self.num_classes} classes, {len(self.class_names)} names")

    def to_json(self) -> str:
        """Write it as text that :func:`parse_card` reads."""
        return json.dumps(asdict(self), indent=2)

    def described(self) -> dict[str, str]:
        """Give every value as text, by its name, in the order of a reader's questions."""
        values = asdict(self)
        del values["schema_version"]
        values |= values.pop("setting")
        values["class_names"] = ", ".join(self.class_names or ["not known"])
        values["versions"] = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        values["commit"] = self.commit or "not known"
        validated = self.last_val_top1 is not None
        values["last_val_top1"] = f"{self.last_val_top1:.2f} %" if validated else "trained on it"
        values["test_top1"] = f"{self.test_top1:.2f} %"
        return {name: str(value) for name, value in values.items()}


_CARDS = TypeAdapter(Card)


def card_of(
    row: RunRow,
    num_classes: int,
    *,
    transform: str = "resize",
    class_names: Sequence[str] | None = None,
) -> Card:
    """Make the card of a completed final run.

    Raises:
        UseError: the row lacks a value that a card needs.
    """
    values = asdict(row)
    values |= {"num_classes": num_classes, "class_names": class_names, "transform": transform}
    try:
        values |= {"setting": values, "versions": json.loads(row.versions)}
        return _CARDS.validate_python(values)
    except ValidationError as error:
        raise UseError(f"run {row.run_id!r}: its row is not complete: {_first(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UseError(f"run {row.run_id!r}: its versions are no JSON") from error


def read_card(path: Path) -> Card:
    """Read the card of an exported model.

    Raises:
        UseError: there is no such file, it is damaged, or no export of this project.
    """
    if not path.is_file():
        raise UseError(f"{path}: {missing(path)}; `sa2vp export` writes one")
    try:
        with safe_open(path, framework="numpy") as file:  # the arrays are not read
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UseError(
            f"{path}: not a whole safetensors file; `sa2vp export` writes one"
        ) from error
    if CARD_KEY not in metadata:
        raise UseError(f"{path}: no model of this project; `sa2vp export` writes one")
    return parse_card(metadata[CARD_KEY], str(path))


def parse_card(text: str, source: str) -> Card:
    """Read a card.

    Args:
        text: JSON.
        source: of the text, for messages.

    Raises:
        UseError: it is of a newer version of this project, or damaged.
    """
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UseError(f"{source}: its card is damaged; export the model again") from error
    if version != SCHEMA_VERSION:
        raise UseError(
            f"{source}: its card has schema version {version!s:.20}, and this project reads "
            f"{SCHEMA_VERSION}; use the version of sa2vp that exported it"
        )
    try:
        return _CARDS.validate_json(text)
    except ValidationError as error:
        raise UseError(f"{source}: its card is damaged: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """Name the first value that is wrong."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([*map(str, problem["loc"]), problem["msg"]])
