"""A recipe: the settings of a task's final runs and what they reached, to be retrained exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sa2vp.suites import SUITES
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.limits import MAX_IMAGE_SIZE, MAX_SEED
from search_spaces import Choice, TaskSpace
from search_spaces.kinds import HYPERPARAMETERS, MAX_COUNT, MAX_DIM
from search_spaces.toml_file import TomlFileError, read_toml

Percent = Annotated[float, Field(ge=0, le=100)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Recipe(BaseModel):
    """Final runs to be repeated, by the names of the results' columns.

    Attributes:
        test_top1: percent after the last epoch, by seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    suite: str
    task: str
    backbone: str
    backbone_fingerprint: str
    data_fingerprint: str
    fusion: str
    precision: str
    image_size: int = Field(ge=1, le=MAX_IMAGE_SIZE)
    epochs_planned: int = Field(ge=1, le=MAX_COUNT)
    dropout: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    inter_dim: int = Field(ge=1, le=MAX_DIM)
    inter_weight: float = Field(gt=0)
    lr: float = Field(gt=0)
    batch_size: int = Field(ge=1, le=MAX_COUNT)
    test_top1: dict[Seed, Percent] = Field(min_length=1)

    @property
    def setting(self) -> dict[str, float]:
        """Give the hyperparameters that a search would look for."""
        return {name: getattr(self, name) for name in HYPERPARAMETERS}

    @property
    def seeds(self) -> tuple[int, ...]:
        """List the seeds of its runs."""
        return tuple(sorted(self.test_top1))

    @property
    def space(self) -> TaskSpace:
        """Give the space that holds nothing but its setting."""
        ranges = {name: Choice(value) for name, value in self.setting.items()}
        return TaskSpace(ranges, (self.setting,))

    def check_data(self, fingerprint: str) -> None:
        """Refuse other images, labels or splits.

        Raises:
            PlanError: the fingerprint of the task's data is another.
        """
        if fingerprint != self.data_fingerprint:
            raise PlanError(
                "--recipe" if SUITES[self.suite].brings_images else "--data-dir",
                f"the data of {self.task} is not the recipe's: its fingerprint is {fingerprint}, "
                f"the recipe has {self.data_fingerprint}",
            )

    def check_backbone(self, fingerprint: str) -> None:
        """Refuse other weights.

        Raises:
            PlanError: the fingerprint of the backbone's weights is another.
        """
        if fingerprint != self.backbone_fingerprint:
            raise PlanError(
                "--checkpoint",
                f"these weights of {self.backbone} are not the recipe's: their fingerprint is "
                f"{fingerprint}, the recipe has {self.backbone_fingerprint}",
            )


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        PlanError: the file is missing or malformed; names the first key that is wrong.
    """
    try:
        return Recipe.model_validate(read_toml(path)[1])
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise PlanError("--recipe", f"{path}: {key}: {first['msg']}") from error
    except TomlFileError as error:
        raise PlanError("--recipe", str(error)) from error
