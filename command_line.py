"""What both commands share: a wrong argument is one line on stderr and exit code 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sa2vp.printing import Console
from sa2vp.text import one_line

# click's UsageError. Newer versions of Typer bring a click of their own and export neither; its
# place above a class that Typer does export is the same in all of them.
_USAGE_ERROR = cast(type[Exception], typer.BadParameter.__mro__[1])

INTERRUPTED = 130  # as shells report an end by Ctrl-C

remarks = Console(soft_wrap=True, stderr=True)


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


def refuse(name: str, problem: object) -> int:
    """Say in one line why a command cannot be followed; return its exit code."""
    remarks.print(f"{name}: {one_line(problem)}")
    return 2


@contextmanager
def counting(what: str) -> Iterator[Callable[[], None]]:
    """Show how many of something are done, where stderr is a terminal; gives what counts one."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} {task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=remarks, transient=True, disable=not remarks.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda: bar.advance(task)
