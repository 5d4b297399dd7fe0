"""VTAB-1k on ViT-B/16 and on Swin-B. Each task starts from its row in the authors' README."""

from __future__ import annotations

from search_spaces.kinds import TaskSpace, initial
from search_spaces.ranges import ranges

NATURAL = ranges(40, 64)
OTHER = ranges(32, 40)  # the README has 40 alone; one size more leaves the search a choice
BOTH = {"batch_size": (40, 64)}
SHARED = {"lr": 1e-3, "batch_size": 40}
HALF_LR = {"lr": 5e-4, "batch_size": 40}

SPACES = {
    "cifar100": TaskSpace(NATURAL, initial(inter_dim=8, inter_weight=0.1, lr=1e-3, **BOTH)),
    "caltech101": TaskSpace(NATURAL, initial(inter_dim=8, inter_weight=0.1, lr=1e-3, **BOTH)),
    "dtd": TaskSpace(NATURAL, initial(inter_dim=8, inter_weight=0.1, lr=1e-3, **BOTH)),
    "oxford_flowers102": TaskSpace(
        NATURAL, initial(inter_dim=8, inter_weight=0.1, lr=1e-3, **BOTH)
    ),
    "oxford_iiit_pet": TaskSpace(NATURAL, initial(inter_dim=8, inter_weight=0.1, lr=5e-4, **BOTH)),
    "svhn": TaskSpace(NATURAL, initial(inter_dim=16, inter_weight=0.5, lr=1e-3, **BOTH)),
    "sun397": TaskSpace(NATURAL, initial(inter_dim=8, inter_weight=0.1, lr=1e-3, **BOTH)),
    "patch_camelyon": TaskSpace(OTHER, initial(inter_dim=16, inter_weight=1.5, **SHARED)),
    "eurosat": TaskSpace(OTHER, initial(inter_dim=16, inter_weight=1.5, **SHARED)),
    "resisc45": TaskSpace(OTHER, initial(inter_dim=16, inter_weight=0.5, **SHARED)),
    "diabetic_retinopathy": TaskSpace(OTHER, initial(inter_dim=16, inter_weight=1.5, **SHARED)),
    "clevr_count": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=1.5, **HALF_LR)),
    "clevr_distance": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=1.5, **SHARED)),
    "dmlab": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=1.5, **SHARED)),
    "kitti_distance": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=1.5, **SHARED)),
    "dsprites_location": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=1.5, **SHARED)),
    "dsprites_orientation": TaskSpace(OTHER, initial(inter_dim=16, inter_weight=0.1, **SHARED)),
    "smallnorb_azimuth": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=1.5, **SHARED)),
    "smallnorb_elevation": TaskSpace(OTHER, initial(inter_dim=32, inter_weight=0.5, **SHARED)),
}

_SWIN_NATURAL = TaskSpace(NATURAL, initial(inter_dim=8, inter_weight=(0.1, 0.5), lr=1e-3, **BOTH))
_SWIN_SPECIALIZED = TaskSpace(OTHER, initial(inter_dim=8, inter_weight=(0.5, 1.5), **SHARED))
_SWIN_STRUCTURED = TaskSpace(OTHER, initial(inter_dim=8, inter_weight=1.5, **SHARED))

SWIN_SPACES = {
    "cifar100": _SWIN_NATURAL,
    "caltech101": _SWIN_NATURAL,
    "dtd": _SWIN_NATURAL,
    "oxford_flowers102": _SWIN_NATURAL,
    "oxford_iiit_pet": _SWIN_NATURAL,
    "svhn": _SWIN_NATURAL,
    "sun397": _SWIN_NATURAL,
    "patch_camelyon": _SWIN_SPECIALIZED,
    "eurosat": _SWIN_SPECIALIZED,
    "resisc45": _SWIN_SPECIALIZED,
    "diabetic_retinopathy": _SWIN_SPECIALIZED,
    "clevr_count": _SWIN_STRUCTURED,
    "clevr_distance": _SWIN_STRUCTURED,
    "dmlab": _SWIN_STRUCTURED,
    "kitti_distance": _SWIN_STRUCTURED,
    "dsprites_location": _SWIN_STRUCTURED,
    "dsprites_orientation": _SWIN_STRUCTURED,
    "smallnorb_azimuth": _SWIN_STRUCTURED,
    "smallnorb_elevation": _SWIN_STRUCTURED,
}
