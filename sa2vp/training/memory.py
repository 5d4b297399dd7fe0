"""The peak memory of one run, also where several runs follow each other in one process."""

from __future__ import annotations

import re
from pathlib import Path

import torch

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5): sets the process's peak resident size to its current one


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        try:
            _CLEAR_REFS.write_text(_RESET_PEAK)
        except OSError:  # some containers forbid it: the peak is then the process's, not the run's
            return


def peak_memory_gib(device: torch.device) -> float | None:
    """Read the peak since the reset: of the GPU's allocations, else of the process on Linux."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    if not _STATUS.exists():
        return None
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(peak[1]) / 2**20 if peak else None
