"""``run_search.py`` as a user starts it, for tests that break it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[2]
TINY = ["--suite", "demo", "--tasks", "digits", "--trials", "2", "--epochs", "2", "--seeds", "1"]
TIMELESS = ["run_id", "epoch", "lr", "train_loss", "val_loss", "val_top1", "test_top1"]
DEADLINE_SECONDS = 240


def command(results: Path | str, *arguments: str) -> list[str]:
    """Give the command of a search with one trial at a time."""
    one_at_a_time = ["--cpus-per-trial", str(os.cpu_count())]
    return [sys.executable, "run_search.py", "--results", str(results), *one_at_a_time, *arguments]


def run_search(results: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a search to its end."""
    return subprocess.run(
        command(results, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )


def start_search(
    results: Path | str, *arguments: str, before: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start a search in a session of its own, whose output is kept for later.

    Args:
        results: where its results go.
        arguments: further ones.
        before: a command that is given the search's.
    """
    return subprocess.Popen(
        [*before, *command(results, *arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read(results: Path, dataset: str) -> pd.DataFrame:
    """Read a dataset of the results, in order of run_id."""
    files = sorted((results / dataset).glob("[!.]*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Wait until something is so; gives what the condition gave."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)
    return found


def epochs_of(results: Path, run_id: str) -> int:
    """Count a run's recorded epochs."""
    file = results / "epochs" / f"{run_id}.parquet"
    return len(pd.read_parquet(file)) if file.exists() else 0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def workers_of(driver: subprocess.Popen[Any], name: str = "ray::SA2VP") -> list[int]:
    """List the actors of a driver that train, which share its session."""
    pids = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(command_line.parent.name)
        try:
            if name.encode() in command_line.read_bytes() and os.getsid(pid) == driver.pid:
                pids.append(pid)
        except OSError:  # the process is gone
            continue
    return pids
