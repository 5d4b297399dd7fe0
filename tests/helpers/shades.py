"""A folder of small photos, of which the shade is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SHADES = {"bright": 235, "dark": 20, "grey": 128}


def write_shades(folder: Path, counts: Mapping[str, int], seed: int = 0) -> None:
    """Write noisy JPEG files, 60x48, whose shade is their class, so many a class of each split."""
    rng = np.random.default_rng(seed)
    for split, count in counts.items():
        for name, shade in SHADES.items():
            target = folder / split / name
            target.mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(-20, 20, (48, 60, 3))
                pixels = np.clip(shade + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(target / f"{number:02d}.jpg")
