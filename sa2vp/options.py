"""What an option is: a field of a class, from which commands, checks and refusals are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sa2vp.errors import Refused

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

_SHOWN = 60  # characters of a value in a message

_PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is no option",
    "greater_than_equal": "must be {ge} or more, got {got}",
    "greater_than": "must be above {gt}, got {got}",
    "less_than_equal": "must be {le} or less, got {got}",
    "less_than": "must be below {lt}, got {got}",
    "finite_number": "must be a finite number, got {got}",
    "int_parsing": "must be a whole number, got {got}",
    "int_parsing_size": "must be a whole number, got {got}",
    "int_from_float": "must be a whole number, got {got}",
    "float_parsing": "must be a number, got {got}",
}
"""By pydantic's name of an error, how it is told; others in pydantic's words."""


class Role(Enum):
    """What follows from an option's value."""

    IDENTITY = "decides what a run reaches; all runs of a search share it, to be comparable"
    EXTENT = "decides how many runs there are; more of them extend a search"
    DATA = "says where files are; what they hold is compared, not where they are"
    PLACEMENT = "decides where and on what runs are computed"
    DISPLAY = "decides what this one command does and shows"


@dataclass(frozen=True, slots=True)
class Option:
    """An option; the field that it is written at gives its name, type, default and check.

    Attributes:
        help: what it sets, in one line.
        topic: the heading that it stands under in the help.
        role: what follows from its value.
        metavar: stands for its value in the help; None where it takes no value.
        flag: as it is typed, where not the field's name; of an argument without one, its metavar.
    """

    help: str
    topic: str = "Options"
    role: Role = Role.DISPLAY
    metavar: str | None = None
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """Written at a field that holds a model: each field of the model is an option.

    Attributes:
        topic: the heading that they stand under in the help.
        role: what follows from their values.
    """

    topic: str
    role: Role


@dataclass(frozen=True, slots=True)
class Known:
    """Checks that a name is a known one.

    Attributes:
        what: the kind of thing that is named.
        names: all that are known.
    """

    what: str
    names: Sequence[str]

    def __call__(self, value: str) -> str:
        """Give the name back.

        Raises:
            ValueError: it is unknown; lists the known ones.
        """
        if value not in self.names:
            raise ValueError(f"unknown {self.what} {value!r}; known: {', '.join(self.names)}")
        return value


class OptionError(Refused):
    """An option that cannot be followed.

    Args:
        option: as typed, such as ``--suite``.
        problem: what is wrong and what is allowed, in one line.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option


@dataclass(frozen=True, slots=True)
class Declared:
    """An option and what its field says of it.

    Attributes:
        name: of the field; notes and recipes know the option by it.
        option: what is written at the field.
        default: None if there is none, or if it depends on other options.
        known: the names that can be given; empty where any value can.
        is_list: whether it takes several values.
        owner: the field of the model that it belongs to; None for those of the class itself.
    """

    name: str
    option: Option
    default: Any
    known: Sequence[str]
    is_list: bool
    owner: str | None = None

    @property
    def flag(self) -> str:
        """Give the option as it is typed."""
        return self.option.flag or f"--{self.name.replace('_', '-')}"

    @property
    def is_argument(self) -> bool:
        """Tell whether it is given by its place, without a flag."""
        return not self.flag.startswith("-")


def declared(model: type[BaseModel]) -> dict[str, Declared]:
    """List the options of a class by name, those of the models in it among them."""
    found = []
    for name, field in model.model_fields.items():
        if option := _written(field, Option):
            found.append(_declare(name, field, option))
        elif (group := _written(field, Options)) and field.annotation is not None:
            inner: dict[str, FieldInfo] = getattr(field.annotation, "__pydantic_fields__")  # noqa: B009
            found += [
                _declare(part, at, Option(at.description or "", group.topic, group.role, "X"), name)
                for part, at in inner.items()
            ]
    return {one.name: one for one in found}


def _written(field: FieldInfo, kind: type[T]) -> T | None:
    return next((one for one in field.metadata if isinstance(one, kind)), None)


def _declare(name: str, field: FieldInfo, option: Option, owner: str | None = None) -> Declared:
    checks = [one.func for one in field.metadata if isinstance(one, AfterValidator)]
    known = next((check.names for check in checks if isinstance(check, Known)), ())
    default = None if field.is_required() or field.default_factory else field.default
    is_list = get_origin(field.annotation) is tuple
    return Declared(name, option, default, known, is_list, owner)


def checked(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Make a class of options from those that are given.

    Args:
        model: the class.
        given: values by name, also as typed; the others have their defaults.

    Raises:
        OptionError: names the first option whose value cannot be followed.
    """
    options = declared(model)
    values: dict[str, Any] = {}
    for name, value in given.items():
        owner = options[name].owner if name in options else None
        if owner is None:
            values[name] = value
        else:
            values.setdefault(owner, {})[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if isinstance(found := first.get("ctx", {}).get("error"), Refused):
            raise found from error  # of a check that names the options itself
        name = next(str(part) for part in reversed(first["loc"]) if isinstance(part, str))
        option = options.get(name)
        raise OptionError(option.flag if option else name, _problem(first, option)) from error


def _problem(error: ErrorDetails, option: Declared | None) -> str:
    context = error.get("ctx", {})
    if isinstance(context.get("error"), ValueError):  # of a check of ours
        return str(context["error"])
    got = f"{error['input']!s:.{_SHOWN}}"
    told = _PROBLEMS.get(error["type"])
    if told is None:
        return f"{error['msg']}, got {got}"
    known = f"; known: {', '.join(option.known)}" if option and option.known else ""
    bounds = {name: _bound(value) for name, value in context.items()}
    return told.format(got=got, **bounds) + (known if error["type"] == "missing" else "")


def _bound(value: Any) -> Any:
    whole = isinstance(value, float) and value.is_integer()
    return f"{int(value) if whole else value:,}" if isinstance(value, int | float) else value
