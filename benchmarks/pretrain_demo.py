"""Pre-train the demo backbone anew: ``python benchmarks/pretrain_demo.py --help``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from sa2vp.cli.commands import run_script
from sa2vp.models.demo import WEIGHTS_PATH
from sa2vp.models.demo.pretrain import PretrainSettings, pretrain


def main(
    steps: Annotated[int, Parameter(help="optimizer steps of 64 drawn images")] = 6500,
    seed: Annotated[int, Parameter(help="of the weights and the drawings")] = 0,
    out: Annotated[Path, Parameter(help="the backbone's safetensors file")] = WEIGHTS_PATH,
    log: Annotated[Path | None, Parameter(help="CSV file; beside OUT by default")] = None,
    threads: Annotated[int, Parameter(help="CPU threads")] = 2,
) -> None:
    """Pre-train the demo backbone on procedurally drawn images and save it without its heads."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(threads)
    pretrain(
        PretrainSettings(steps=steps, seed=seed), out, log or out.with_name("training_log.csv")
    )


if __name__ == "__main__":
    run_script(main)
