"""Packs the runs that have ended."""

from __future__ import annotations

import os
from pathlib import Path

from sa2vp.cli.counting import counting
from sa2vp.cli.terminal import console
from sa2vp.cli.use import PackOptions
from sa2vp.results.packing import pack as pack_results
from sa2vp.use.errors import UseError


def pack(options: PackOptions) -> int:
    """Pack a folder; give the exit code.

    Raises:
        UseError: it is no folder of results, or cannot be written to.
    """
    folder = Path(os.path.expanduser(options.results))  # noqa: PTH111 - raises nothing
    if not (folder / "runs").is_dir():
        raise UseError(f"--results: {folder} is no local folder that run_search.py wrote")
    try:
        with counting("runs packed") as progress:
            packed = pack_results(folder, progress)
    except OSError as error:
        raise UseError(f"--results: {error}") from error
    console.print(f"{packed} runs packed in {folder}", soft_wrap=True)
    return 0
