"""Makes commands of classes whose fields are options, and runs them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError
from pydantic import BaseModel

from sa2vp.cli.terminal import INTERRUPTED, console, refuse
from sa2vp.errors import Refused
from sa2vp.options import Declared, checked, declared


def make_app(name: str, summary: str) -> App:
    """Make a command that others can be added to.

    Args:
        name: as typed.
        summary: what it does, for its help.
    """
    return App(
        name=name,
        help=summary,
        help_format="plaintext",
        version_flags=(),
        console=console,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )


def command(name: str, model: type[BaseModel], function: str, summary: str) -> App:
    """Make a command of a class of options.

    Args:
        name: as typed.
        model: whose fields are its options and arguments.
        function: what it does with an object of the class, as ``package.module:function``; returns
            the exit code. It is imported once all options are sound.
        summary: what it does, for its help.
    """

    def follow(**given: Any) -> int:
        options = checked(model, given)
        code: int = resolve_name(function)(options)
        return code

    return command_of(name, model, follow, summary)


def command_of(name: str, model: type[BaseModel], follow: Callable[..., int], summary: str) -> App:
    """Make a command whose function checks by itself what is typed.

    Args:
        name: as typed.
        model: whose fields are its options and arguments.
        follow: is given those that were typed, as text, by name; returns the exit code.
        summary: what it does, for its help.
    """
    options = sorted(declared(model).values(), key=lambda one: not one.is_argument)
    headings = {one.option.topic: None for one in options}
    groups = {topic: Group(topic, sort_key=place) for place, topic in enumerate(headings)}

    def call(*arguments: Any, **given: Any) -> int:
        names = [one.name for one in options if one.is_argument]
        return follow(**dict(zip(names, arguments, strict=False)), **given)

    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(one, groups[one.option.topic]) for one in options]
    )
    app = make_app(name, summary)
    app.default(call)
    return app


def _parameter(one: Declared, group: Group) -> inspect.Parameter:
    """Describe an option to Cyclopts: as text, which the class of options checks and converts."""
    is_flag = one.option.metavar is None
    kind: Any = bool if is_flag else list[str] if one.is_list else str
    # Defaults are for the help alone: Cyclopts hands on what was typed and nothing else.
    shown = "" if one.default is None else str(one.default)
    return inspect.Parameter(
        one.name,
        inspect.Parameter.POSITIONAL_ONLY if one.is_argument else inspect.Parameter.KEYWORD_ONLY,
        default=False if is_flag else [] if one.is_list else shown,
        annotation=Annotated[
            kind,
            Parameter(
                name=None if one.is_argument else one.flag,
                help=one.option.help,
                group=group,
                metavar=one.option.metavar,
                negative=(),
                show_default=not is_flag and shown != "",
                allow_repeating=None if one.is_list else True,
            ),
        ],
    )


def run_script(function: Callable[..., int | None]) -> NoReturn:
    """Run a script whose options are the parameters of a function, and end with its exit code.

    Args:
        function: its docstring is the help; it may return an exit code.
    """
    name = Path(sys.argv[0]).name
    app = make_app(name, (function.__doc__ or "").strip())
    app.default(function)
    sys.exit(run(app, name, sys.argv[1:]))


def run(app: App, name: str, arguments: Sequence[str]) -> int:
    """Run a command; return its exit code.

    Args:
        app: the command.
        name: as it stands before refusals.
        arguments: that follow it.
    """
    try:
        return app(list(arguments)) or 0
    except UnusedCliTokensError as error:
        return refuse(name, f"unexpected argument {(error.unused_tokens or [''])[0]!r}")
    except (Refused, CycloptsError, OSError) as error:
        return refuse(name, error)
    except KeyboardInterrupt:
        return INTERRUPTED
