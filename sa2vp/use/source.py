"""Which trained model a command is asked to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from sa2vp.options import Option
from sa2vp.use.card import read_card
from sa2vp.use.errors import UseError
from sa2vp.use.files import missing

DEFAULT_RESULTS = "results"


class FinalRun(BaseModel):
    """The options that name a final run in the results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: ClassVar = {"task": "--task NAME", "run": "--run RUN_ID"}
    """The options of which one is given."""

    results: Annotated[
        str | None,
        Option("What run_search.py wrote, a path or URI. Default: results.", metavar="DIR"),
    ] = None
    task: Annotated[
        str | None, Option("Its best final run in the results, by validation.", metavar="NAME")
    ] = None
    method: Annotated[
        str | None, Option("With --task: whose final runs. Default: sa2vp.", metavar="NAME")
    ] = None
    run: Annotated[str | None, Option("This final run in the results.", metavar="RUN_ID")] = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in self.names) != 1:
            *others, last = self.names.values()
            raise UseError(f"give one of {', '.join(others)} and {last}")
        if self.method is not None and self.task is None:
            raise UseError("--method: goes with --task; leave it out")
        return self


class Source(FinalRun):
    """The options that name a trained model: a file, or a final run in the results."""

    names: ClassVar = {"model": "--model FILE", **FinalRun.names}

    model: Annotated[Path | None, Option("What `sa2vp export` wrote.", metavar="FILE")] = None
    backbone_checkpoint: Annotated[
        Path | None, Option("The weights that the search was given.", metavar="FILE")
    ] = None

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        if self.model is not None:
            if self.results is not None:
                raise UseError("--results: goes with --task or --run; leave it out with --model")
            read_card(self.model)
        weights = self.backbone_checkpoint
        if weights is not None and not weights.is_file():
            raise UseError(f"--backbone-checkpoint: {missing(weights)}: {weights}")
        return self
