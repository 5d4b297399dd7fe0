"""Every option of a search, said once: name, type, default, check, help and role.

The command line, the plan, what a recipe decides, what a search must not be mixed with, and the
refusals are made from these fields. Field names are what results and recipes know options by.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo

from sa2vp.budget import Budget
from sa2vp.limits import MAX_IMAGE_SIZE, MAX_PER_TRIAL, MAX_SEED
from sa2vp.methods import METHODS
from sa2vp.options import Declared, Known, Option, Options, Role, declared
from sa2vp.rungs import REDUCTION_FACTOR, grace_epochs, rungs
from sa2vp.suites import DEMO, SUITES, Suite, named_columns
from sa2vp.training.configuration import PRECISIONS, Training
from search_spaces.kinds import MAX_COUNT, Value

TASKS = "What is searched"
PROTOCOL = "How it is searched"
TRAINING = "How runs train"
FILES = "Data and results"
RESOURCES = "What runs are computed on"
COMMAND = "This command"


def _reachable(path: str | Path) -> str | Path:
    """Give a path back that a file system can follow; URIs are passed over.

    Raises:
        ValueError: the name is too long, links form a circle, and so on.
    """
    if "://" not in str(path):
        try:
            Path(path).expanduser().resolve().exists()
        except (OSError, RuntimeError) as error:
            raise ValueError(getattr(error, "strerror", None) or str(error)) from error
    return path


def _suite_of(data: Mapping[str, Any]) -> Suite:
    """Give the suite that other options' defaults are read from; any, where it was refused."""
    return SUITES.get(data.get("suite", ""), DEMO)


FEWEST_CONFIRMED = 20
"""Trials of a search that confirms its choice unasked: beside fewer the runs would take long."""


def _confirming_runs(data: Mapping[str, Any]) -> int:
    """Give how many runs confirm the choice, where no option says so."""
    trials: int = data.get("trials", 0)
    if data.get("budget") is not None:
        return 0  # how many trials there will be is not known
    return trials // 10 if trials >= FEWEST_CONFIRMED else 0


def _budget(text: str | None) -> str | None:
    """Give a budget back.

    Raises:
        ValueError: it is none.
    """
    if text is not None:
        Budget.of(text)
    return text


TRIALS = 12
SAMPLERS = ("tpe", "forecast")
SCHEDULERS = ("asha", "forecast")

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Reachable = AfterValidator(_reachable)


_CHECKS = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

_PARTS: tuple[type[BaseModel], ...] = (*METHODS.values(), Training)

HYPERPARAMETERS = {name: one for part in _PARTS for name, one in part.model_fields.items()}
"""Hyperparameters of all methods and of their training, by name."""


def _option_of(one: FieldInfo) -> tuple[Any, Any]:
    """Make a field of a hyperparameter that is left out where no option sets it."""
    annotated: Any = Annotated
    if not one.is_required():
        return annotated[one.annotation, one], Field(one.default, description=one.description)
    return annotated[one.annotation, one], Field(
        None, description=f"{one.description} Default: it is searched."
    )


if TYPE_CHECKING:

    class SetHyperparameters(BaseModel):
        """Those of them that options set; each is an option of its name."""
else:
    SetHyperparameters = create_model(
        "SetHyperparameters",
        __config__=_CHECKS,
        **{name: _option_of(one) for name, one in HYPERPARAMETERS.items()},
    )


class SearchConfig(BaseModel):
    """The options of a search, checked; what depends on the suite or backbone is filled in."""

    model_config = _CHECKS

    suite: Annotated[
        str,
        AfterValidator(Known("suite", tuple(SUITES))),
        Option(f"{', '.join(SUITES)}.", TASKS, Role.EXTENT, "NAME"),
    ]
    tasks: Annotated[
        str | None, Option("Some of the suite's tasks. Default: all.", TASKS, Role.EXTENT, "A,B")
    ] = None
    backbone: Annotated[
        str,
        Option("demo, vit-b16, swin-b or timm's. Default: the suite's.", TASKS, Role.IDENTITY,
               "NAME"),
    ] = Field(
        default_factory=lambda data: _suite_of(data).backbone
    )  # fmt: skip
    method: Annotated[
        str,
        Option(
            f"{', '.join(METHODS)}, or your own: path/to/file.py:Class. Several with commas "
            "between them, or all, are searched one after another.", TASKS, Role.IDENTITY,
            "NAME",
        ),
    ] = "sa2vp"  # fmt: skip
    checkpoint: Annotated[
        Path | None,
        Reachable,
        Option("The backbone's weights: .npz, .pth, .safetensors.", TASKS, Role.DATA, "FILE"),
    ] = None
    image_size: Annotated[
        int | None,
        Field(ge=1, le=MAX_IMAGE_SIZE),
        Option("Pixels a side. Default: the backbone's.", TASKS, Role.IDENTITY, "N"),
    ] = None
    spaces: Annotated[
        Path | None,
        Option("Your own search spaces, a TOML file.", TASKS, Role.IDENTITY, "FILE"),
    ] = None
    recipe: Annotated[
        Path | None,
        Option("Retrain what reproduce_tables.py --recipes wrote.", TASKS, Role.DATA, "FILE"),
    ] = None

    budget: Annotated[
        str | None,
        AfterValidator(_budget),
        Option(
            "Of each task's search: epochs or time of its trials, such as 400ep or 30m. Once they "
            "have taken it, no new trial begins.",
            PROTOCOL, Role.EXTENT, "B",
        ),
    ] = None  # fmt: skip
    trials: Annotated[
        Count,
        Option(
            "Configurations tried per task, at most. Default: 12; with --budget, as many as it "
            "holds.",
            PROTOCOL, Role.EXTENT, "N",
        ),
    ] = Field(
        default_factory=lambda data: TRIALS if data.get("budget") is None else MAX_COUNT
    )  # fmt: skip
    epochs: Annotated[
        Count,
        Option("Epochs of a full run. Default: the suite's.", PROTOCOL, Role.IDENTITY, "N"),
    ] = Field(default_factory=lambda data: _suite_of(data).epochs)
    seeds: Annotated[Count, Option("Final runs per task.", PROTOCOL, Role.EXTENT, "N")] = 3
    seed: Annotated[
        int,
        Field(ge=0, le=MAX_SEED),
        Option("Seed of the search.", PROTOCOL, Role.IDENTITY, "N"),
    ] = 0
    sampler: Annotated[
        str,
        AfterValidator(Known("sampler", SAMPLERS)),
        Option(
            "What proposes trials: tpe (Optuna's), or forecast, a model of their curves.",
            PROTOCOL,
            Role.IDENTITY,
            "NAME",
        ),
    ] = "tpe"
    scheduler: Annotated[
        str,
        AfterValidator(Known("scheduler", SCHEDULERS)),
        Option(
            "What stops trials: asha, or forecast, which may go on with them later.",
            PROTOCOL,
            Role.IDENTITY,
            "NAME",
        ),
    ] = "asha"
    learn_from: Annotated[
        str | None,
        Option("Earlier results that --sampler forecast learns from.", PROTOCOL, Role.DATA,
               "DIR,DIR"),
    ] = None  # fmt: skip
    grace_epochs: Annotated[
        Count,
        Option("Before ASHA may stop a trial. Default: a fifth of all.", PROTOCOL, Role.IDENTITY,
               "N"),
    ] = Field(default_factory=lambda data: grace_epochs(data.get("epochs", 1)))  # fmt: skip
    reduction_factor: Annotated[
        float,
        Field(ge=2, le=MAX_COUNT),
        Option("Of the trials at a rung, ASHA keeps one in X.", PROTOCOL, Role.IDENTITY, "X"),
    ] = REDUCTION_FACTOR
    brackets: Annotated[
        Count,
        Option("Of ASHA, each beginning a rung later than the last.", PROTOCOL, Role.IDENTITY, "N"),
    ] = 1
    min_gain: Annotated[
        float,
        Field(ge=0, le=100),
        Option(
            "End a task's search when no new trial promises X points more. Default: never.",
            PROTOCOL, Role.EXTENT, "X",
        ),
    ] = 0.0  # fmt: skip
    confirm: Annotated[
        int,
        Field(ge=0, le=MAX_COUNT),
        Option(
            "Up to N runs with further seeds, to choose among the best. Default: a tenth of "
            "--trials, none below 20.",
            PROTOCOL, Role.EXTENT, "N",
        ),
    ] = Field(default_factory=_confirming_runs)  # fmt: skip

    test_every: Annotated[
        int,
        Field(ge=0, le=MAX_COUNT),
        Option("Test final runs every N epochs, for curves. Default: at the end.", PROTOCOL,
               Role.DISPLAY, "N"),
    ] = 0  # fmt: skip

    precision: Annotated[
        str,
        AfterValidator(Known("precision", PRECISIONS)),
        Option(
            "float32, or a GPU's tf32, bfloat16, float16; auto: a GPU's 16 bits.",
            TRAINING, Role.IDENTITY, "NAME",
        ),
    ] = "auto"  # fmt: skip
    training: Annotated[SetHyperparameters, Options(TRAINING, Role.IDENTITY)] = Field(
        default_factory=SetHyperparameters
    )

    data_dir: Annotated[
        Path | None,
        Reachable,
        Option("The datasets, or your own; the demo needs none.", FILES, Role.DATA, "DIR"),
    ] = None
    image_column: Annotated[
        str | None,
        Option("Of your own table: the images' paths. Default: path.", FILES, Role.DATA, "NAME"),
    ] = None
    label_column: Annotated[
        str | None,
        Option("Of your own table: the labels. Default: label.", FILES, Role.DATA, "NAME"),
    ] = None
    split_column: Annotated[
        str | None,
        Option("Of your own table: the splits. Without one, they are drawn.", FILES, Role.DATA,
               "NAME"),
    ] = None  # fmt: skip
    cache_dir: Annotated[
        Path | None,
        Reachable,
        Option("For decoded images. Default: your cache folder.", FILES, Role.DATA, "DIR"),
    ] = None
    no_cache: Annotated[
        bool, Option("Keep none: decode images in every epoch.", FILES, Role.DATA)
    ] = False
    download: Annotated[
        bool, Option("First fetch what is missing and torchvision has.", FILES, Role.DATA)
    ] = False
    results: Annotated[
        str,
        Reachable,
        Option("Where results go: a path or URI.", FILES, Role.DATA, "DIR"),
    ] = "results"

    workers_per_trial: Annotated[
        int,
        Field(ge=1, le=MAX_PER_TRIAL),
        Option("Workers that share each trial's batches.", RESOURCES, Role.PLACEMENT, "N"),
    ] = 1
    cpus_per_trial: Annotated[
        float,
        Field(gt=0, le=MAX_PER_TRIAL),
        Option("CPU cores per trial, or per worker of it.", RESOURCES, Role.PLACEMENT, "X"),
    ] = 1.0
    gpus_per_trial: Annotated[
        float | None,
        Field(ge=0, le=MAX_PER_TRIAL),
        Option(
            "GPUs per trial, or a fraction, or per worker. Default: 1 if there is one.",
            RESOURCES, Role.PLACEMENT, "X",
        ),
    ] = None  # fmt: skip
    address: Annotated[
        str | None,
        Option("A Ray cluster: auto, ray://... Default: a local one.", RESOURCES, Role.PLACEMENT,
               "ADDRESS"),
    ] = None  # fmt: skip

    fresh: Annotated[
        bool,
        Option("Start over; earlier runs are set aside, not deleted.", COMMAND, Role.DISPLAY),
    ] = False
    retry_failed: Annotated[bool, Option("Take failed runs up again.", COMMAND, Role.DISPLAY)] = (
        False
    )
    dry_run: Annotated[
        bool, Option("Check the options, print the plan and stop.", COMMAND, Role.DISPLAY)
    ] = False
    images_per_second: Annotated[
        float | None,
        Field(gt=0),
        Option("For --dry-run: what a trial trains. Default: measured here.", COMMAND,
               Role.DISPLAY, "X"),
    ] = None  # fmt: skip
    verbose: Annotated[bool, Option("Let Ray write to the terminal.", COMMAND, Role.DISPLAY)] = (
        False
    )

    @field_validator("min_gain")
    @classmethod
    def _have_a_model(cls, gain: float, info: ValidationInfo) -> float:
        """Refuse to end by what a model promises where there is none."""
        if gain and info.data.get("sampler") == "tpe":
            raise ValueError("needs --sampler forecast; TPE foretells no accuracies")
        return gain

    @field_validator("brackets")
    @classmethod
    def _begin_apart(cls, brackets: int, info: ValidationInfo) -> int:
        """Refuse brackets that have no rung to begin at; the last that has none stops no trial."""
        names = ("epochs", "grace_epochs", "reduction_factor")
        if not info.data.keys() >= set(names):
            return brackets  # one of them is refused already
        epochs, grace, factor = (info.data[name] for name in names)
        most = 1 + len(rungs(epochs, grace, factor))
        if brackets > most:
            raise ValueError(
                f"must be {most} or less, got {brackets}: of {epochs} epochs, with "
                f"{grace} of grace, no more begin a rung apart"
            )
        return brackets

    @property
    def columns(self) -> tuple[str, ...]:
        """Give what the columns of one's own table are called, as a task has them."""
        return named_columns(self.image_column, self.label_column, self.split_column)

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """Give the hyperparameters that options have set, by name."""
        values: dict[str, Value] = self.training.model_dump(exclude_unset=True)
        return values

    @property
    def limit(self) -> Budget | None:
        """Give the end of a task's search beside the number of its trials."""
        return None if self.budget is None else Budget.of(self.budget)

    def values(self) -> dict[str, Any]:
        """Give every other option's value by name, as plain JSON values."""
        return self.model_dump(mode="json", exclude={"training"})

    def identity(self) -> dict[str, Any]:
        """Give what all runs of a search share, by option, as plain JSON values.

        What only the cluster can tell is left out: the precision of ``auto`` and the backbone's own
        image size. So are files, of which the content counts: who reads them compares that. And so
        are hyperparameters, whose defaults depend on method and backbone.
        """
        return {
            name: value
            for name, value in self.values().items()
            if OPTIONS[name].option.role is Role.IDENTITY
            and value not in (None, "auto")
            and not isinstance(getattr(self, name, None), Path)
        }


OPTIONS: Mapping[str, Declared] = declared(SearchConfig)
"""Every option by name."""

DECIDED = frozenset(
    name for name, one in OPTIONS.items() if one.option.role in (Role.IDENTITY, Role.EXTENT)
)
"""The options that a recipe decides."""


def hyperparameter(name: str) -> Declared:
    """Give a hyperparameter's option, or what it would be for a method of the user's own."""
    own = Option("A hyperparameter of your own method.", TRAINING, Role.IDENTITY, "X")
    return OPTIONS.get(name, Declared(name, own, None, (), False))
