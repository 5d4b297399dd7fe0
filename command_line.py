"""What both commands share: a wrong argument is one line on stderr and exit code 2."""

from __future__ import annotations

from typing import cast

import typer

from sa2vp.cli.terminal import INTERRUPTED, refuse

# click's UsageError. Newer versions of Typer bring a click of their own and export neither; its
# place above a class that Typer does export is the same in all of them.
_USAGE_ERROR = cast(type[Exception], typer.BadParameter.__mro__[1])


def run(app: typer.Typer, name: str, arguments: list[str]) -> int:
    """Run a command; return its exit code, 0 unless the command returns another."""
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name=name, standalone_mode=False)
    except _USAGE_ERROR as error:
        return refuse(name, cast(typer.BadParameter, error).format_message())
    except typer.Abort:  # Ctrl-C
        return INTERRUPTED
    return code if isinstance(code, int) else 0
