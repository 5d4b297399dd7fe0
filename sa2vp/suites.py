"""Every suite the project knows, and its tasks. Importing this module loads no image and no torch.

A new suite is a record here and a module in ``search_spaces``; nothing else names a suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Transform = Literal["resize", "crop"]
"""How a decoded image becomes the model's input. ``resize`` distorts it to the input's size.
``crop`` resizes its shorter side to 8/7 of that, then crops: in training at random, and mirrored at
random, else centrally.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One dataset with its split and class count.

    Attributes:
        name: as given to ``--tasks``, and as in the authors' README; unique within its suite.
        suite: the list of tasks it belongs to, as given to ``--suite``.
        group: the part of the result table that the task's accuracy is averaged in.
        num_classes: labels run from 0 to ``num_classes - 1``.
        summary: what is on the images and what is asked of them.
        format: how images and labels lie on disk: the file in ``sa2vp/data/readers`` that reads it.
        folders: names that the dataset's folder has, the usual one first; looked for in
            ``--data-dir`` and in its folder named as the suite.
        download: the class of ``torchvision.datasets`` that can fetch it; empty where none can.
        transform: how images become the model's input.
        final_splits: what final runs train on.
        columns: of one's own table: what its columns of images, labels and splits are called; empty
            where none is named, and empty texts for those that are not.
    """

    name: str
    suite: str = ""
    group: str = ""
    num_classes: int
    summary: str
    format: str = ""
    folders: tuple[str, ...] = ()
    download: str = ""
    transform: Transform = "resize"
    final_splits: tuple[str, ...] = ("train",)
    columns: tuple[str, ...] = ()


def named_columns(image: str | None, label: str | None, split: str | None) -> tuple[str, ...]:
    """Give what columns of one's own table are called as a task has it; None is the usual name."""
    named = (image, label, split)
    return tuple(name or "" for name in named) if any(named) else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A list of tasks, and what holds for all of them.

    Attributes:
        name: as given to ``--suite``.
        tasks: in the order in which they are run and shown.
        own_data: whether its one task is what ``--data-dir`` holds, so that no task stands here.
        brings_images: whether its images are made here, so that ``--data-dir`` is not needed.
        folders: names that its folder in ``--data-dir`` may have.
        format: of its tasks, where they do not say another.
        transform: of its tasks.
        final_splits: what final runs of its tasks train on.
        backbone: the default of ``--backbone``.
        epochs: the default of ``--epochs``.
        published_on: backbones for which the paper's table of this suite is at hand.
    """

    name: str
    tasks: tuple[Task, ...] = ()
    own_data: bool = False
    brings_images: bool = False
    folders: tuple[str, ...] = ()
    format: str = ""
    transform: Transform
    final_splits: tuple[str, ...]
    backbone: str = "vit-b16"
    epochs: int = 100
    published_on: tuple[str, ...] = ()

    def of(self, *tasks: Task) -> Suite:
        """Give the suite with these tasks, as :meth:`adopt` completes them."""
        return replace(self, tasks=tuple(self.adopt(task) for task in tasks))

    def adopt(self, task: Task) -> Task:
        """Complete a task by what holds for all of the suite's; its group may be its suite."""
        return replace(
            task,
            suite=self.name,
            group=task.group or self.name,
            format=task.format or self.format,
            transform=self.transform,
            final_splits=self.final_splits,
        )


def _task(
    name: str, num_classes: int, folders: tuple[str, ...], summary: str, group: str = ""
) -> Task:
    return Task(name=name, num_classes=num_classes, folders=folders, summary=summary, group=group)


def _vtab(name: str, group: str, num_classes: int, folder: str, summary: str) -> Task:
    """Describe a task of VTAB-1k, whose folder may have the task's name too."""
    return _task(name, num_classes, tuple(dict.fromkeys((folder, name))), summary, group=group)


def _torchvision(
    name: str,
    num_classes: int,
    data_format: str,
    download: str,
    folders: tuple[str, ...],
    summary: str,
) -> Task:
    """Describe a task whose dataset lies as torchvision leaves it."""
    task = _task(name, num_classes, folders, summary)
    return replace(task, format=data_format, download=download)


def _inside(name: str, folder: str) -> tuple[str, ...]:
    """Name the folder that torchvision makes, alone or in one of the task's name."""
    return folder, f"{name}/{folder}", name


CUB = _task("cub200", 200, ("CUB_200_2011", "cub200", "cub"), "birds (CUB-200-2011): which species")
NABIRDS = _task("nabirds", 555, ("nabirds",), "birds of North America: which species, sex or age")
FLOWERS = _task(
    "oxford_flowers", 102, ("OxfordFlower", "oxford_flowers", "flowers"), "flowers: which species"
)
DOGS = _task("stanford_dogs", 120, ("Stanford-dogs", "dogs", "stanford_dogs"), "dogs: which breed")
CARS = _task(
    "stanford_cars", 196, ("Stanford-cars", "cars", "stanford_cars"),
    "cars: which make, model and year",
)  # fmt: skip

DEMO = Suite(
    name="demo",
    brings_images=True,
    format="demo",
    transform="resize",
    final_splits=("train",),
    backbone="demo",
    epochs=8,
).of(
    _task("digits", 10, (), "scanned handwritten digits (scikit-learn): which digit",
          group="natural"),
    _task("location", 16, (), "drawn sprites: which of 16 columns the centre lies in",
          group="structured"),
    _task("orientation", 16, (), "drawn sprites: which of 16 turns the sprite has",
          group="structured"),
)  # fmt: skip

FGVC = Suite(
    name="fgvc",
    folders=("fgvc",),
    format="vpt_json",
    transform="crop",
    final_splits=("train",),
    published_on=("vit-b16",),
).of(CUB, NABIRDS, FLOWERS, DOGS, CARS)

VTAB = Suite(
    name="vtab-1k",
    folders=("vtab-1k", "vtab"),
    format="vtab_lists",
    transform="resize",
    final_splits=("train", "val"),
    published_on=("vit-b16", "swin-b"),
).of(
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
)  # fmt: skip

HTA = Suite(
    name="hta",
    folders=("hta", "fgvc"),  # four of its tasks are FGVC's
    format="vpt_json",
    transform="crop",
    final_splits=("train", "val"),
).of(
    _torchvision("cifar10", 10, "cifar", "CIFAR10", _inside("cifar10", "cifar-10-batches-py"),
                 "small photos: which object"),
    _torchvision("cifar100", 100, "cifar", "CIFAR100", _inside("cifar100", "cifar-100-python"),
                 "small photos: which object"),
    _torchvision("dtd", 47, "dtd", "DTD", ("dtd/dtd", "dtd"), "textures: which describing word"),
    _torchvision("food101", 101, "food101", "Food101", _inside("food101", "food-101"),
                 "dishes: which one"),
    _torchvision("svhn", 10, "svhn", "SVHN", ("svhn", "SVHN"),
                 "house numbers: which digit in the middle"),
    _torchvision("gtsrb", 43, "gtsrb", "GTSRB", ("gtsrb", "GTSRB"),
                 "German traffic signs: which one"),
    CUB,
    NABIRDS,
    DOGS,
    FLOWERS,
)  # fmt: skip

CUSTOM = Suite(name="custom", own_data=True, transform="crop", final_splits=("train", "val"))

SUITES: Mapping[str, Suite] = {suite.name: suite for suite in (DEMO, FGVC, VTAB, HTA, CUSTOM)}
TASKS = tuple(task for suite in SUITES.values() for task in suite.tasks)


def suite_tasks(suite: str, names: list[str] | None = None) -> list[Task]:
    """List a suite's tasks, or those of them that are named, in the suite's order.

    Raises:
        ValueError: an unknown suite or task, or a suite of one's own data; the message lists the
            known ones.
    """
    known = {task.name: task for task in TASKS if task.suite == suite}
    if not known:
        raise ValueError(f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    for name in names or []:
        if name not in known:
            raise ValueError(f"unknown task {name!r} in suite {suite}; known: {', '.join(known)}")
    return [task for name, task in known.items() if not names or name in names]
