"""What tests of any tier share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from searches import TINY, run_search

from sa2vp.cli.main import main

settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the results of a search that nothing interrupts."""
    results = tmp_path_factory.mktemp("finished")
    done = run_search(results, *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Dashboard: http://127.0.0.1:" in done.stdout
    assert "ray get-auth-token" in done.stdout
    assert "2/2" in done.stdout
    return results


@pytest.fixture
def sa2vp(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command line in this process; gives the exit code."""

    def run(*arguments: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["sa2vp", *map(str, arguments)])
        return main()

    return run
