"""``sa2vp data``: what tasks there are, and whether their data is there and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from sa2vp.cli.commands import command, make_app
from sa2vp.options import Known, Option
from sa2vp.suites import SUITES

_suite = AfterValidator(Known("suite", tuple(SUITES)))


class TasksOptions(BaseModel):
    """Which tasks to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: Annotated[
        str | None, _suite, Option(f"{', '.join(SUITES)}. Default: all.", metavar="NAME")
    ] = None


class ChosenTasks(BaseModel):
    """Which tasks are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: Annotated[str, _suite, Option(f"{', '.join(SUITES)}.", metavar="NAME")]
    tasks: Annotated[str | None, Option("Some of the suite's. Default: all.", metavar="A,B")] = None


class DownloadOptions(ChosenTasks):
    """What to download, and where to."""

    data_dir: Annotated[Path, Option("Where the datasets are kept.", metavar="DIR")]


class CheckOptions(ChosenTasks):
    """What to check."""

    data_dir: Annotated[Path | None, Option("The datasets, or your own.", metavar="DIR")] = None
    image_column: Annotated[
        str | None, Option("Of your own table: the images' paths.", metavar="NAME")
    ] = None
    label_column: Annotated[
        str | None, Option("Of your own table: the labels.", metavar="NAME")
    ] = None
    split_column: Annotated[
        str | None, Option("Of your own table: the splits.", metavar="NAME")
    ] = None
    cache_dir: Annotated[
        Path | None, Option("Where what was found is remembered.", metavar="DIR")
    ] = None


WORK = "sa2vp.cli.work.data"

app = make_app("data", "List tasks, check their data and download it.")
app.command(
    command(
        "tasks",
        TasksOptions,
        f"{WORK}:show_tasks",
        "List the tasks, and what their datasets' folders are called.",
    )
)
app.command(
    command(
        "check",
        CheckOptions,
        f"{WORK}:check",
        "Check lists, labels, overlaps and every image of a suite's tasks.",
    )
)
app.command(
    command(
        "download",
        DownloadOptions,
        f"{WORK}:download",
        "Download what is missing and torchvision can fetch: six of the HTA tasks.",
    )
)
