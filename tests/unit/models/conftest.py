"""The plain algorithm, for tests to compare with."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """Give benchmarks/plain.py."""
    return importlib.import_module("plain")
