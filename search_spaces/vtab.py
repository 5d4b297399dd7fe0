"""VTAB-1k on ViT-B/16 and on Swin-B. Each task starts from its row in the authors' README."""

from __future__ import annotations

from search_spaces.kinds import TaskSpace
from search_spaces.ranges import ranges

NATURAL = ranges(40, 64)
OTHER = ranges(32, 40)  # the README has 40 alone; one size more leaves the search a choice
SHARED = {"lr": 1e-3, "batch_size": 40}
HALF_LR = {"lr": 5e-4, "batch_size": 40}

SPACES = {
    "cifar100": TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **SHARED}),
    "caltech101": TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **SHARED}),
    "dtd": TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **SHARED}),
    "oxford_flowers102": TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **SHARED}),
    "oxford_iiit_pet": TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **HALF_LR}),
    "svhn": TaskSpace(NATURAL, {"inter_dim": 16, "inter_weight": 0.5, **SHARED}),
    "sun397": TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **SHARED}),
    "patch_camelyon": TaskSpace(OTHER, {"inter_dim": 16, "inter_weight": 1.5, **SHARED}),
    "eurosat": TaskSpace(OTHER, {"inter_dim": 16, "inter_weight": 1.5, **SHARED}),
    "resisc45": TaskSpace(OTHER, {"inter_dim": 16, "inter_weight": 0.5, **SHARED}),
    "diabetic_retinopathy": TaskSpace(OTHER, {"inter_dim": 16, "inter_weight": 1.5, **SHARED}),
    "clevr_count": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 1.5, **HALF_LR}),
    "clevr_distance": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 1.5, **SHARED}),
    "dmlab": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 1.5, **SHARED}),
    "kitti_distance": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 1.5, **SHARED}),
    "dsprites_location": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 1.5, **SHARED}),
    "dsprites_orientation": TaskSpace(OTHER, {"inter_dim": 16, "inter_weight": 0.1, **SHARED}),
    "smallnorb_azimuth": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 1.5, **SHARED}),
    "smallnorb_elevation": TaskSpace(OTHER, {"inter_dim": 32, "inter_weight": 0.5, **SHARED}),
}

_SWIN_NATURAL = TaskSpace(NATURAL, {"inter_dim": 8, "inter_weight": 0.1, **SHARED})
_SWIN_SPECIALIZED = TaskSpace(OTHER, {"inter_dim": 8, "inter_weight": 0.5, **SHARED})
_SWIN_STRUCTURED = TaskSpace(OTHER, {"inter_dim": 8, "inter_weight": 1.5, **SHARED})

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
