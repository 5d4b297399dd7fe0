"""Methods to adapt a frozen backbone, one a file."""

from __future__ import annotations

from pydantic.fields import FieldInfo

from sa2vp.methods.base import Method
from sa2vp.methods.loading import METHODS, MethodError, MethodSource, find_method

__all__ = ["METHODS", "Method", "MethodError", "MethodSource", "find_method", "method_options"]


def method_options() -> dict[str, FieldInfo]:
    """Give the hyperparameters of every method that have a default, and can be set, by name."""
    fields = (field for method in METHODS.values() for field in method.model_fields.items())
    return {name: field for name, field in fields if not field.is_required()}
