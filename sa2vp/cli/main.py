"""``sa2vp``: every command of the project under one name."""

from __future__ import annotations

import sys

from cyclopts import App

from sa2vp.cli.commands import make_app, run

COMMANDS = {
    "search": "sa2vp.cli.search:app",
    "tables": "sa2vp.cli.tables:app",
    "data": "sa2vp.cli.data:app",
    "export": "sa2vp.cli.use:export",
    "predict": "sa2vp.cli.use:predict",
    "explain": "sa2vp.cli.use:explain",
    "card": "sa2vp.cli.use:card",
    "pack": "sa2vp.cli.use:pack",
    "doctor": "sa2vp.cli.doctor:doctor",
}
"""Where each command is; it is imported when it is typed, or when all are listed."""


def make_sa2vp() -> App:
    """Make the command with all commands below it."""
    app = make_app("sa2vp", "Search hyperparameters of visual prompt tuning; use what is found.")
    for place, (name, found) in enumerate(COMMANDS.items()):
        app.command(found, name=name, sort_key=place)
    app.register_install_completion_command(help="Complete commands and options in this shell.")
    return app


def main() -> int:
    """Run ``sa2vp`` with the arguments of this process; give the exit code."""
    app, arguments = make_sa2vp(), sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):  # all are listed, with what each does
        for name in COMMANDS:
            app[name]
    return run(app, "sa2vp", arguments)
