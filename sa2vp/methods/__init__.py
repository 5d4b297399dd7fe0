"""Methods to adapt a frozen backbone, one a file."""

from __future__ import annotations

from sa2vp.methods.base import Method
from sa2vp.methods.loading import METHODS, MethodError, MethodSource, find_method

__all__ = ["METHODS", "Method", "MethodError", "MethodSource", "find_method"]
