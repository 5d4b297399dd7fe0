"""Methods to adapt a frozen backbone, one a file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic.fields import FieldInfo

from sa2vp.methods.base import Method
from sa2vp.methods.sa2vp import SA2VP

__all__ = ["METHODS", "Method", "find_method", "method_options"]

METHODS: Mapping[str, type[Method]] = {method.name: method for method in (SA2VP,)}
"""By name. A new one is added here, and nowhere else."""


def find_method(name: str) -> type[Method]:
    """Give a method by its name.

    Raises:
        ValueError: there is none of this name; the message lists them.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    return METHODS[name]


def method_options() -> dict[str, FieldInfo]:
    """Give the hyperparameters of every method that have a default, and can be set, by name."""
    fields = (field for method in METHODS.values() for field in method.model_fields.items())
    return {name: field for name, field in fields if not field.is_required()}
