"""The contract of a reader: what it is asked, what it returns and what it refuses.

Each file in ``sa2vp/data/readers`` reads one format, which has the name of the file, and holds a
:class:`Reader` named ``READER``. Nothing else lists the formats: a reader is imported when the
``format`` of a task names it, or to ask whether it recognises one's own data.

A reader is asked for the images of a task. It gets the task and ``--data-dir``. A suite's task has
its dataset in a folder below, which :func:`find_folder` finds; one's own data are at ``--data-dir``
itself.

It returns a :class:`Listing`: the names and labels of the images of each split, the names of the
classes, and the source that opens an image by its name. A name may be anything that the source
knows: a path, a place in an array, a member of an archive, the key of a record. No image is decoded
before it is asked for, as a dataset may be larger than the memory. Images are asked for in any
order, by several threads at once, and by worker processes with a copy of the source, which keeps
paths rather than open files for that. The stamp of an image changes with its content, but is told
without reading it.

It refuses all else with a :class:`~sa2vp.data.errors.DataError` and no other exception: one line
that names the file, the line or entry in it, and what to do. Files come from anywhere. None of them
is run, none outside the dataset's folder is opened, and none may fill the memory. Labels are from 0
to ``num_classes - 1``; a split has at least one image and has none twice. The checks that formats
share are in :mod:`~sa2vp.data.readers.base.splits` and :mod:`~sa2vp.data.readers.base.arrays`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import ImageSource
from sa2vp.data.readers.base.decoded import TaskData
from sa2vp.suites import SUITES, Task

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class SplitList:
    """The images of one split.

    Attributes:
        names: of the images, as the listing's source knows them; ``(N,)``.
        labels: int64 ``(N,)``, 0 to ``num_classes - 1``.
    """

    names: Sequence[str]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse labels of another type or number: wrong ones train silently."""
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.names),):
            raise ValueError(
                f"labels must be int64 ({len(self.names)},), "
                f"got {self.labels.dtype} {self.labels.shape}"
            )

    def __len__(self) -> int:
        """Count the images."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader found.

    Attributes:
        folder: of the dataset; None where the images are made here.
        source: of the images.
        splits: train, val and test.
        classes: the dataset's own name or number of each label, in order.
        decoded: the images, where they are made here at the size that they are trained at: they are
            neither resized, cached nor streamed. None for all others.
        remarks: that the user should know, a line each.
    """

    folder: Path | None
    source: ImageSource
    splits: Mapping[str, SplitList]
    classes: Sequence[str]
    decoded: TaskData | None = None
    remarks: Sequence[str] = ()

    def names(self, splits: Sequence[str]) -> list[str]:
        """List the images of several splits, one split after the other."""
        return [name for split in splits for name in self.splits[split].names]


def _never(path: Path) -> bool:  # noqa: ARG001 - a reader may look at it
    return False


@dataclass(frozen=True, slots=True)
class Reader:
    """How a format is read.

    Attributes:
        read: lists the images of a task, given ``--data-dir``. The ``num_classes`` of one's own
            data are not known before.
        recognises: tells whether one's own data at a path are in this format, from the names of
            files alone. A format that only suites have recognises nothing.
        general: whether readers that recognise the same path know it better.
        has_columns: whether the ``columns`` of a task may name what is read.
    """

    read: Callable[[Task, Path], Listing]
    recognises: Callable[[Path], bool] = _never
    general: bool = False
    has_columns: bool = False


def find_folder(task: Task, data_dir: Path) -> Path:
    """Find a task's dataset by one of its names, in its suite's folder or beside it.

    Raises:
        DataError: it is at none of these places; names them.
    """
    of_suite = SUITES[task.suite].folders
    places = [data_dir / suite / name for suite in of_suite for name in task.folders]
    places += [data_dir / name for name in task.folders]
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(str(place.relative_to(data_dir)) for place in places)
    hint = "; --download fetches it" if task.download else ""
    raise DataError(f"{data_dir}: no folder of {task.suite}/{task.name}; looked for {looked}{hint}")
