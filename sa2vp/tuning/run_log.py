"""What tells a person which run a process trains: its title, and a log named after the run."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from ray._private import worker as this_process
from ray._raylet import setproctitle  # type: ignore[attr-defined]  # of a compiled module

_logger = logging.getLogger("sa2vp")
_LINE = "%(asctime)s %(message)s"


def log_file_name(run_id: str) -> str:
    """Name a run's log among those that Ray's dashboard lists for each node."""
    return f"sa2vp-{run_id}.log"


def open_log(run_id: str) -> None:
    """Begin to log a run: to a file of its own, and to what Ray keeps of this process's output.

    Args:
        run_id: of the run; the log of an earlier run of this process is closed.
    """
    for handler in list(_logger.handlers):
        _logger.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    node = this_process._global_node
    if node is not None:
        folder = Path(node.get_logs_dir_path())
        handlers.append(logging.FileHandler(folder / log_file_name(run_id)))
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_LINE))
        _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    _logger.propagate = False


def log(run_id: str, message: str) -> None:
    """Add a line to a run's log."""
    _logger.info("%s: %s", run_id, message)


def describe_epoch(metrics: dict[str, Any]) -> str:
    """Write an epoch in one line."""
    accuracies = "".join(
        f", {name} top-1 {metrics[f'{name}_top1']:.2f}"
        for name in ("val", "test")
        if metrics.get(f"{name}_top1") is not None
    )
    return (
        f"epoch {metrics['epoch']} of {metrics['epochs_planned']}: "
        f"train loss {metrics['train_loss']:.4f}{accuracies}, {metrics['seconds']:.1f} s, "
        f"{metrics['images_per_second']:.0f} images/s"
    )


def show_in_title(run_id: str) -> None:
    """Name the run in the title of this process, for ``ps``, ``nvidia-smi`` and the dashboard.

    Ray sets the title anew around each call of an actor's method.
    """
    setproctitle(f"ray::SA2VP {run_id}")


def start_log(run_id: str, hyperparameters: dict[str, Any]) -> None:
    """Open a run's log and say what is trained and where."""
    open_log(run_id)
    listed = ", ".join(f"{name} {value}" for name, value in hyperparameters.items())
    log(run_id, f"process {os.getpid()}; {listed}")
