"""Every task the project knows, one row each. Importing this module loads no image and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One dataset with its split and class count.

    Attributes:
        name: as given to ``--tasks``, and as in the authors' README; unique within its suite.
        suite: the list of tasks it belongs to, as given to ``--suite``.
        group: the part of the result table that the task's accuracy is averaged in.
        num_classes: labels run from 0 to ``num_classes - 1``.
        summary: what is on the images and what is asked of them.
        format: how images and labels lie on disk, a name in
            :data:`~sa2vp.data.reading.READERS`; ``drawn`` needs no files.
        folders: names that the dataset's folder has, the usual one first; looked for in
            ``--data-dir`` and in its folder named as the suite.
        transform: ``resize`` to the input size; ``crop``: the shorter side to 8/7 of it, then a
            crop, random and flipped at random in training, else central.
        final_splits: what final runs train on.
    """

    name: str
    suite: str
    group: str
    num_classes: int
    summary: str
    format: str = "drawn"
    folders: tuple[str, ...] = ()
    transform: Literal["resize", "crop"] = "resize"
    final_splits: tuple[str, ...] = ("train",)


def _demo(name: str, group: str, num_classes: int, summary: str) -> Task:
    return Task(name=name, suite="demo", group=group, num_classes=num_classes, summary=summary)


def _fgvc(name: str, num_classes: int, folders: tuple[str, ...], summary: str) -> Task:
    return Task(
        name=name, suite="fgvc", group="fgvc", num_classes=num_classes, summary=summary,
        format="json", folders=folders, transform="crop",
    )  # fmt: skip


def _vtab(name: str, group: str, num_classes: int, folder: str, summary: str) -> Task:
    return Task(
        name=name, suite="vtab-1k", group=group, num_classes=num_classes, summary=summary,
        format="lists", folders=tuple(dict.fromkeys((folder, name))),
        final_splits=("train", "val"),
    )  # fmt: skip


def _hta(
    name: str, num_classes: int, data_format: str, folders: tuple[str, ...], summary: str
) -> Task:
    return Task(
        name=name, suite="hta", group="hta", num_classes=num_classes, summary=summary,
        format=data_format, folders=folders, transform="crop", final_splits=("train", "val"),
    )  # fmt: skip


def _inside(name: str, folder: str) -> tuple[str, ...]:
    """Name the folder that torchvision makes, alone or in one of the task's name."""
    return folder, f"{name}/{folder}", name


CUB = ("CUB_200_2011", "cub200", "cub")
NABIRDS = ("nabirds",)
FLOWERS = ("OxfordFlower", "oxford_flowers", "flowers")
DOGS = ("Stanford-dogs", "dogs", "stanford_dogs")
CARS = ("Stanford-cars", "cars", "stanford_cars")

TASKS = (
    _demo("digits", "natural", 10, "scanned handwritten digits (scikit-learn): which digit"),
    _demo("location", "structured", 16, "drawn sprites: which of 16 columns the centre lies in"),
    _demo("orientation", "structured", 16, "drawn sprites: which of 16 turns the sprite has"),
    _fgvc("cub200", 200, CUB, "birds (CUB-200-2011): which species"),
    _fgvc("nabirds", 555, NABIRDS, "birds of North America: which species, sex or age"),
    _fgvc("oxford_flowers", 102, FLOWERS, "flowers: which species"),
    _fgvc("stanford_dogs", 120, DOGS, "dogs: which breed"),
    _fgvc("stanford_cars", 196, CARS, "cars: which make, model and year"),
    _vtab("cifar100", "natural", 100, "cifar", "small photos: which object"),
    _vtab("caltech101", "natural", 102, "caltech101", "photos: which object, or background"),
    _vtab("dtd", "natural", 47, "dtd", "textures: which describing word"),
    _vtab("oxford_flowers102", "natural", 102, "oxford_flowers102", "flowers: which species"),
    _vtab("oxford_iiit_pet", "natural", 37, "oxford_iiit_pet", "cats and dogs: which breed"),
    _vtab("svhn", "natural", 10, "svhn", "house numbers: which digit in the middle"),
    _vtab("sun397", "natural", 397, "sun397", "places: which scene"),
    _vtab("patch_camelyon", "specialized", 2, "patch_camelyon", "lymph nodes: tumour or none"),
    _vtab("eurosat", "specialized", 10, "eurosat", "satellite images: which land use"),
    _vtab("resisc45", "specialized", 45, "resisc45", "aerial images: which scene"),
    _vtab("diabetic_retinopathy", "specialized", 5, "diabetic_retinopathy",
          "retinas: which stage of the disease"),
    _vtab("clevr_count", "structured", 8, "clevr_count", "rendered objects: how many, 3 to 10"),
    _vtab("clevr_distance", "structured", 6, "clevr_dist",
          "rendered objects: how far the nearest is, in 6 steps"),
    _vtab("dmlab", "structured", 6, "dmlab", "a maze: how far what object is, in 6 kinds"),
    _vtab("kitti_distance", "structured", 4, "kitti",
          "streets: how far the nearest vehicle is, in 4 steps"),
    _vtab("dsprites_location", "structured", 16, "dsprites_loc",
          "drawn sprites: which of 16 columns"),
    _vtab("dsprites_orientation", "structured", 16, "dsprites_ori",
          "drawn sprites: which of 16 turns"),
    _vtab("smallnorb_azimuth", "structured", 18, "smallnorb_azi", "toys: which of 18 azimuths"),
    _vtab("smallnorb_elevation", "structured", 9, "smallnorb_ele", "toys: which of 9 elevations"),
    _hta("cifar10", 10, "cifar10", _inside("cifar10", "cifar-10-batches-py"),
         "small photos: which object"),
    _hta("cifar100", 100, "cifar100", _inside("cifar100", "cifar-100-python"),
         "small photos: which object"),
    _hta("dtd", 47, "dtd", ("dtd/dtd", "dtd"), "textures: which describing word"),
    _hta("food101", 101, "food101", _inside("food101", "food-101"), "dishes: which one"),
    _hta("svhn", 10, "svhn", ("svhn", "SVHN"), "house numbers: which digit in the middle"),
    _hta("gtsrb", 43, "gtsrb", ("gtsrb", "GTSRB"), "German traffic signs: which one"),
    _hta("cub200", 200, "json", CUB, "birds (CUB-200-2011): which species"),
    _hta("nabirds", 555, "json", NABIRDS, "birds of North America: which species, sex or age"),
    _hta("stanford_dogs", 120, "json", DOGS, "dogs: which breed"),
    _hta("oxford_flowers", 102, "json", FLOWERS, "flowers: which species"),
)  # fmt: skip

CUSTOM_TRANSFORM: Literal["crop"] = "crop"
SUITES = (*dict.fromkeys(task.suite for task in TASKS), "custom")
"""``custom`` has no rows: its task is what ``--data-dir`` holds."""


def suite_tasks(suite: str, names: list[str] | None = None) -> list[Task]:
    """List a suite's tasks, or those of them that are named, in the suite's order.

    Raises:
        ValueError: an unknown suite or task; the message lists the known ones.
    """
    known = {task.name: task for task in TASKS if task.suite == suite}
    if not known:
        raise ValueError(f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    for name in names or []:
        if name not in known:
            raise ValueError(f"unknown task {name!r} in suite {suite}; known: {', '.join(known)}")
    return [task for name, task in known.items() if not names or name in names]
