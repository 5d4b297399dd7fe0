"""``sa2vp export``, ``card``, ``predict``, ``explain`` and ``pack``: their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sa2vp.cli.commands import command
from sa2vp.options import Option
from sa2vp.use.files import check_target
from sa2vp.use.source import FinalRun, Source


class ExportOptions(FinalRun):
    """What to export, and where to."""

    out: Annotated[Path, Option("A .safetensors file to write.", metavar="FILE")]
    overwrite: Annotated[bool, Option("Replace the file if it exists.")] = False

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        check_target(self.out, [".safetensors"], overwrite=self.overwrite)
        return self


class PackOptions(BaseModel):
    """What to pack."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: Annotated[str, Option("What run_search.py wrote, a local folder.", metavar="DIR")] = (
        "results"
    )


class CardOptions(BaseModel):
    """Whose card to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[Path, Option("What `sa2vp export` wrote.", metavar="FILE", flag="FILE")]


class PredictOptions(Source):
    """Which images to classify, and where to write it."""

    images: Annotated[
        Path,
        Option("Images, also those in folders below.", metavar="IMAGES_DIR", flag="IMAGES_DIR"),
    ]
    top_k: Annotated[
        int | None,
        Field(ge=1),
        Option("Classes per image. Default: 5, or all if there are fewer.", metavar="K"),
    ] = None
    out: Annotated[
        Path, Option("A .csv or .parquet file, replaced if it exists.", metavar="FILE")
    ] = Path("predictions.csv")
    batch_size: Annotated[
        int, Field(ge=1), Option("Images that pass through the model at once.", metavar="N")
    ] = 64

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        check_target(self.out, [".csv", ".parquet"], overwrite=True)
        return self


class ExplainOptions(Source):
    """Which images to draw, and where to."""

    images: Annotated[tuple[Path, ...], Option("Image files.", metavar="IMAGE...", flag="IMAGE...")]
    out: Annotated[Path, Option("The folder for a PNG per image.", metavar="DIR")]


export = command(
    "export",
    ExportOptions,
    "sa2vp.cli.work.export:export",
    "Write a final run's learned arrays and its card to one file, without the backbone.",
)
predict = command(
    "predict",
    PredictOptions,
    "sa2vp.cli.work.predict:predict",
    "Write the most probable classes of every image of a folder.",
)
explain = command(
    "explain",
    ExplainOptions,
    "sa2vp.cli.work.explain:explain",
    "Draw the learned prompts' norm and where each fusion looks, a PNG per image.",
)
card = command(
    "card",
    CardOptions,
    "sa2vp.cli.work.card:show",
    "Show where an exported model comes from and what it reached.",
)
pack = command(
    "pack",
    PackOptions,
    "sa2vp.cli.work.pack:pack",
    "Put the runs that have ended into few files; a search may go on meanwhile.",
)
