"""A search that nothing interrupts, for tests to compare with."""

from __future__ import annotations

from pathlib import Path

import pytest
from searches import TINY, run_search


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the results of an uninterrupted search."""
    results = tmp_path_factory.mktemp("finished")
    done = run_search(results, *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Dashboard: http://127.0.0.1:" in done.stdout
    assert "ray get-auth-token" in done.stdout
    assert "2/2" in done.stdout
    return results
