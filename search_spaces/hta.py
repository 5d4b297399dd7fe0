"""HTA on ViT-B/16. The authors' README has one row for all tasks."""

from __future__ import annotations

from search_spaces.kinds import TaskSpace, initial
from search_spaces.ranges import ranges

SPACE = TaskSpace(
    ranges(64, 128), initial(inter_dim=64, inter_weight=0.1, lr=1e-3, batch_size=(64, 128))
)
TASKS = (
    "cifar10",
    "cifar100",
    "dtd",
    "food101",
    "svhn",
    "gtsrb",
    "cub200",
    "nabirds",
    "stanford_dogs",
    "oxford_flowers",
)
SPACES = dict.fromkeys(TASKS, SPACE)
