"""Looks at everything, and says what is wrong."""

from __future__ import annotations

import torch

from sa2vp.cli.doctor import DoctorOptions
from sa2vp.cli.terminal import console, remarks
from sa2vp.doctor.checks import follow, list_checks
from sa2vp.doctor.report import as_table, first_wrong, write_report
from sa2vp.options import OptionError


def examine(options: DoctorOptions) -> int:
    """Run the checks, print and write what was found; 1 if something is wrong, else 0.

    Raises:
        OptionError: a GPU is asked for and PyTorch finds none.
    """
    if options.gpu and not torch.cuda.is_available():
        raise OptionError("--gpu", "PyTorch finds no GPU here")
    checks = list_checks(
        gpu=options.gpu,
        backbone=options.backbone,
        checkpoint=options.checkpoint,
        suite=options.suite,
        data_dir=options.data_dir,
    )
    lines = list(follow(checks, lambda name: remarks.print(f"looking at: {name}")))
    console.print(as_table(lines))
    if options.out is not None:
        write_report(lines, options.out)
    wrong = first_wrong(lines)
    if wrong is None:
        return 0
    remarks.print(f"wrong: {wrong.check}: {wrong.what}: {wrong.found}")
    return 1
