"""Exports a final run's model."""

from __future__ import annotations

from sa2vp.cli.terminal import console
from sa2vp.cli.use import ExportOptions
from sa2vp.cli.work.card import print_card
from sa2vp.use.loading import load_export


def export(options: ExportOptions) -> int:
    """Write the file and print its card; give the exit code.

    Raises:
        UseError: there is no such run, or the file cannot be written.
    """
    exported = load_export(options)
    exported.save(options.out, overwrite=options.overwrite)
    print_card(exported.card)
    console.print(f"Written: {options.out}", soft_wrap=True)
    return 0
