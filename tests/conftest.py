"""What tests of any tier share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from searches import TINY, run_search
from xdist.scheduler import LoadScopeScheduling

from sa2vp.cli.main import main

SYSTEM = Path(__file__).parent / "system"

settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")
torch.set_num_threads(1)  # two workers of pytest-xdist, of a thread each, fill two cores


class ByFile(LoadScopeScheduling):
    """Gives a worker a file of unit tests at a time, and one worker all tests with a cluster."""

    def _split_scope(self, nodeid: str) -> str:
        tier = "/".join(nodeid.split("/")[:2])
        return nodeid.split("::", maxsplit=1)[0] if tier == "tests/unit" else tier


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a system test longer than others before it counts as stuck."""
    for item in items:
        if SYSTEM in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))


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
