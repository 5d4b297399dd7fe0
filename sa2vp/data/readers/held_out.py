"""The validation split of datasets that have none."""

from __future__ import annotations

import numpy as np

from sa2vp.data.readers.base import SplitList

SEED = 0
HELD_OUT = 0.2


def hold_out(images: SplitList) -> tuple[SplitList, SplitList]:
    """Divide what a dataset trains on into train and val.

    DAM-VP's rule: the last 20 % of a seeded shuffle are val. The shuffle is that of
    ``numpy.random.RandomState``, which no version of NumPy changes.
    """
    shuffled = np.random.RandomState(SEED).permutation(len(images))
    kept = len(images) - round(HELD_OUT * len(images))
    train, val = (np.sort(part) for part in np.split(shuffled, [kept]))
    return _pick(images, train), _pick(images, val)


def _pick(images: SplitList, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> SplitList:
    return SplitList([images.names[place] for place in places.tolist()], images.labels[places])
