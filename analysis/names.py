"""Names of the files of tables and recipes, whatever suites, tasks and backbones are called."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise

from sa2vp.suites import SUITES

MOST_BYTES = 150
"""Of a name; file systems take 255, the suffix included."""


def file_stem(*parts: str) -> str:
    """Name a file by what it is of, without its suffix.

    Args:
        parts: of the name; the last may be anything, such as ``hf-hub:owner/model``.

    Returns:
        The parts, joined by hyphens. Where that is no name that every file system takes, or could
        be one of other parts too, it is shortened, and a digest of the parts follows.
    """
    joined = "-".join(parts)
    stem = re.sub(r"[^\w.-]+", "-", joined).encode()[:MOST_BYTES].decode(errors="ignore")
    # Known suites apart, a hyphen in a part could be one that joins parts.
    whole = all("-" not in part or part in SUITES for part in parts[:-1])
    if stem == joined and whole and not any("-".join(two) in SUITES for two in pairwise(parts)):
        return stem
    return f"{stem}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}"
