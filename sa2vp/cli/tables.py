"""``sa2vp tables``, also ``reproduce_tables.py``: its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from cyclopts import App
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sa2vp.cli.commands import command
from sa2vp.options import Known, Option, OptionError

FORMATS: Mapping[str, str] = {
    "md": "md", "latex": "tex", "csv": "csv", "parquet": "parquet", "html": "html"
}  # fmt: skip
"""The suffix of each format's files."""

DAY = 86_400


class TablesOptions(BaseModel):
    """What to show of which results, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    results: Annotated[
        str | None,
        Option("What run_search.py wrote, a path or URI. Default: results.", metavar="DIR"),
    ] = None
    format: Annotated[
        str | None,
        AfterValidator(Known("format", tuple(FORMATS))),
        Option("Instead of tables for the terminal.", metavar="|".join(FORMATS)),
    ] = None
    out: Annotated[Path | None, Option("With --format: files here, not stdout.", metavar="DIR")] = (
        None
    )
    recipes: Annotated[
        Path | None, Option("Only write what run_search.py --recipe retrains, here.", metavar="DIR")
    ] = None
    watch: Annotated[
        float | None,
        Field(ge=1, le=DAY),
        Option("With --format html --out: make the page anew so often.", metavar="SECONDS"),
    ] = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Refuse options that do not fit each other."""
        if self.format is None and self.out is not None:
            raise OptionError("--out", f"needs --format, one of {', '.join(FORMATS)}")
        if self.format == "parquet" and self.out is None:
            raise OptionError("--format", "parquet is for files; add --out DIR")
        if self.watch is not None and (self.format != "html" or self.out is None):
            raise OptionError("--watch", "needs --format html and --out DIR")
        return self


def make_tables(name: str) -> App:
    """Make the command.

    Args:
        name: as typed.
    """
    return command(
        name,
        TablesOptions,
        "sa2vp.cli.work.tables:reproduce",
        "Show the tables that the results give; without results, the published numbers.",
    )


app = make_tables("tables")
