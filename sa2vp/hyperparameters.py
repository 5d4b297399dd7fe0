"""What can be set or searched by name: fields with a type, a default, a check and a line of help.

A class of hyperparameters is written down once. Search spaces, options of the command line, rows,
recipes and cards read names, defaults and checks from its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from search_spaces.kinds import Value, shown

_CHECKS = ConfigDict(strict=True, allow_inf_nan=False)


class HyperparameterError(ValueError):
    """A hyperparameter that is unknown, missing or out of range.

    Args:
        name: of the hyperparameter.
        problem: what is wrong and what is allowed, in one line that names it.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


class Hyperparameters(BaseModel):
    """Hyperparameters of one thing, such as a method; every field is one, with ``Field(...)``.

    A field holds a number, a text or a truth value; where it may be None, None is its default and
    means that it is left to whoever reads it. ``description`` is its help, in one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", **_CHECKS)

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Check values.

        Args:
            values: by name; a field that is left out has its default.

        Raises:
            HyperparameterError: names the first that is unknown, missing or out of range.
        """
        refuse_unknown(values, cls.model_fields)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _in_one_line(error, values) from error

    @property
    def by_name(self) -> dict[str, Value]:
        """Give every value by name."""
        return self.model_dump()


def check_value(name: str, field: FieldInfo, value: object) -> Value:
    """Check one value by itself, and give it in the field's type.

    Raises:
        HyperparameterError: it is out of range.
    """
    try:
        checked: Value = _adapter(_Checked(field)).validate_python(value)
    except ValidationError as error:
        raise _in_one_line(error, {name: value}, name) from error
    return checked


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name that is not known.

    Raises:
        HyperparameterError: names the first, the nearest known one, and all of them.
    """
    known = list(known)
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            meant = f"did you mean {nearest[0]}? " if nearest else ""
            raise HyperparameterError(
                name, f"unknown {shown(name)}; {meant}known: {', '.join(known)}"
            )


class _Checked:
    """A field as a key: each has an identity, and no hash."""

    def __init__(self, field: FieldInfo) -> None:
        self.field = field

    def __hash__(self) -> int:
        return id(self.field)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Checked) and other.field is self.field


@cache
def _adapter(checked: _Checked) -> TypeAdapter[Any]:
    field = checked.field
    checked_type: Any = Annotated[field.annotation, field]
    return TypeAdapter(checked_type, config=_CHECKS)


def _in_one_line(
    error: ValidationError, values: Mapping[str, object], name: str | None = None
) -> HyperparameterError:
    """Say what is wrong in the words ``lr must be greater than 0, got -1``."""
    first = error.errors(include_url=False)[0]
    named = name or str(first["loc"][0] if first["loc"] else "")
    message = first["msg"]
    if first["type"] == "missing":
        return HyperparameterError(named, f"lacks {named}")
    if not named:  # of several fields together: the message names them
        return HyperparameterError("", message.removeprefix("Value error, "))
    problem = message.replace("Input should", "must", 1)
    return HyperparameterError(named, f"{named} {problem}, got {shown(values[named])}")
