"""Keeps the model's linear algebra on one thread.

Its matrices are small: on several threads a decision takes no less time, and several times the
processor's, which the trials beside it need. One thread also gives the same numbers on every
machine that has the same libraries.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    """Look for the libraries once, when NumPy and SciPy have loaded theirs."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Hold BLAS to one thread for a while."""
    found: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return found
