"""The largest numbers that options, recipes and cards may hold: beyond all use, and no overflow."""

from __future__ import annotations

MAX_SEED = 1_000_000_000
"""Of a search, from which confirming runs count on, and of a final run."""

MAX_PER_TRIAL = 10_000
"""Cores, GPUs or workers."""

MAX_IMAGE_SIZE = 4096
"""Pixels a side."""
