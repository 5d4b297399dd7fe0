"""After which epochs ASHA may stop a trial. Importing this module does not import Ray."""

from __future__ import annotations

import math

REDUCTION_FACTOR = 3
"""Of those that reach a rung, one in so many goes on."""


def rungs(epochs: int, grace: float, reduction_factor: float) -> list[int]:
    """List the epochs after which a trial may be stopped."""
    found, rung = [], float(grace)
    while rung < epochs:
        found.append(int(rung))
        rung *= reduction_factor
    return found


def grace_epochs(epochs: int) -> int:
    """Give the epochs before a trial may be stopped: a fifth, rounded up: twice the warm-up."""
    return math.ceil(epochs / 5)
