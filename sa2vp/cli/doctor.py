"""``sa2vp doctor``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from sa2vp.cli.commands import command
from sa2vp.options import Known, Option
from sa2vp.suites import DEMO, SUITES


class DoctorOptions(BaseModel):
    """What is looked at, and where it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: Annotated[bool, Option("Go on with the GPU: all models, memory, speed.")] = False
    out: Annotated[
        Path | None, Option("The folder for doctor.json and doctor.md.", metavar="DIR")
    ] = None
    backbone: Annotated[str, Option("A backbone to load.", metavar="NAME")] = DEMO.backbone
    checkpoint: Annotated[Path | None, Option("Its weights.", metavar="FILE")] = None
    suite: Annotated[
        str,
        AfterValidator(Known("suite", tuple(SUITES))),
        Option("Whose data to check.", metavar="NAME"),
    ] = DEMO.name
    data_dir: Annotated[Path | None, Option("The suite's datasets.", metavar="DIR")] = None


doctor = command(
    "doctor",
    DoctorOptions,
    "sa2vp.cli.work.doctor:examine",
    "Say what this machine is good for, and whether all of it works here.",
)
