"""The memory of runs: the peak of each in a process, and what they leave to others on a GPU."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import torch

_OUTSIDE_BYTES = 768 * 2**20
"""Taken to lie outside of PyTorch's allocator in each process: CUDA's context and libraries."""

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


def fence(device: torch.device, share: float) -> None:
    """Hold this process to its share of a GPU, so that it cannot take what others were promised.

    Args:
        device: that it computes on; on a CPU nothing is done.
        share: of the GPU; 1 is all of it.
    """
    if device.type == "cuda" and share < 1:
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(share_of(share, total), device)


def share_of(share: float, total: int) -> float:
    """Give the share that PyTorch may allocate: less what lies outside of its allocator.

    Args:
        share: of the GPU that the process was promised.
        total: bytes of the GPU.
    """
    return max(share - _OUTSIDE_BYTES / total, share / 2)


def give_back(device: torch.device) -> None:
    """Hand what earlier runs of this process have left back to the other users of the device."""
    gc.collect()  # models hold themselves by their hooks and closures
    if device.type == "cuda":
        torch.cuda.empty_cache()
