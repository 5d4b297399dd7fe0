"""The C allocator of a process that trains on the CPU."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> None:
    """Keep freed memory for the next array instead of handing it back to the system.

    By default glibc returns large arrays at once, and the kernel clears every page anew in each
    step. The process stays as large as its largest step. Other allocators are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
