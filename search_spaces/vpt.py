"""VPT's prompt lengths for each task on ViT-B/16 (arXiv:2203.12119).

They are those whose parameters make up the shares that "Visual Fourier Prompt Tuning" (NeurIPS
2024) prints for VPT in its Tables S1 to S4; of several, the shortest. For ``cub200`` and
``oxford_flowers`` no length gives the share of VPT-shallow: VPT-deep's stands there.
"""

from __future__ import annotations

from collections.abc import Mapping

VPT_LENGTHS: Mapping[tuple[str, str], tuple[int, int]] = {
    ("vtab-1k", "cifar100"): (100, 10),
    ("vtab-1k", "caltech101"): (5, 10),
    ("vtab-1k", "dtd"): (1, 10),
    ("vtab-1k", "oxford_flowers102"): (200, 1),
    ("vtab-1k", "oxford_iiit_pet"): (50, 1),
    ("vtab-1k", "svhn"): (200, 50),
    ("vtab-1k", "sun397"): (1, 5),
    ("vtab-1k", "patch_camelyon"): (5, 100),
    ("vtab-1k", "eurosat"): (50, 100),
    ("vtab-1k", "resisc45"): (50, 10),
    ("vtab-1k", "diabetic_retinopathy"): (1, 1),
    ("vtab-1k", "clevr_count"): (100, 50),
    ("vtab-1k", "clevr_distance"): (200, 200),
    ("vtab-1k", "dmlab"): (100, 100),
    ("vtab-1k", "kitti_distance"): (100, 50),
    ("vtab-1k", "dsprites_location"): (100, 10),
    ("vtab-1k", "dsprites_orientation"): (100, 50),
    ("vtab-1k", "smallnorb_azimuth"): (200, 200),
    ("vtab-1k", "smallnorb_elevation"): (200, 200),
    ("fgvc", "cub200"): (10, 10),
    ("fgvc", "nabirds"): (50, 50),
    ("fgvc", "oxford_flowers"): (5, 5),
    ("fgvc", "stanford_dogs"): (100, 100),
    ("fgvc", "stanford_cars"): (100, 200),
}
"""By suite and task: of VPT-shallow and of VPT-deep, for each block."""
