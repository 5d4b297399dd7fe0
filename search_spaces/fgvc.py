"""FGVC on ViT-B/16. Each task starts from its row in the authors' README, with both batch sizes."""

from __future__ import annotations

from search_spaces.kinds import TaskSpace, initial
from search_spaces.ranges import ranges

RANGES = ranges(64, 128)
SHARED: dict[str, float | tuple[float, ...]] = {"lr": 1e-3, "batch_size": (64, 128)}

SPACES = {
    "cub200": TaskSpace(RANGES, initial(inter_dim=16, inter_weight=0.1, **SHARED)),
    "nabirds": TaskSpace(RANGES, initial(inter_dim=32, inter_weight=0.1, **SHARED)),
    "oxford_flowers": TaskSpace(RANGES, initial(inter_dim=8, inter_weight=0.1, **SHARED)),
    "stanford_dogs": TaskSpace(RANGES, initial(inter_dim=32, inter_weight=0.1, **SHARED)),
    "stanford_cars": TaskSpace(RANGES, initial(inter_dim=64, inter_weight=1.5, **SHARED)),
}
