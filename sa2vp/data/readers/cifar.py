"""CIFAR-10 and CIFAR-100 as torchvision keeps them: pickled batches of 32 x 32 pixels."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sa2vp.data.errors import DataError
from sa2vp.data.readers.base import Listing, Reader, find_folder
from sa2vp.data.readers.base.arrays import Labelled, check_labelled, list_arrays, together
from sa2vp.data.readers.base.splits import read_bytes
from sa2vp.suites import Task
from sa2vp.text import one_line

SIDE = 32


@dataclass(frozen=True, slots=True)
class _Layout:
    """Names of files, and of keys in them."""

    train: tuple[str, ...]
    test: str
    labels: str
    about: str
    names: str


LAYOUTS = (
    _Layout(
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test_batch", "labels", "batches.meta", "label_names",
    ),
    _Layout(("train",), "test", "fine_labels", "meta", "fine_label_names"),
)  # fmt: skip
"""Of CIFAR-10 and CIFAR-100, which share no file's name."""


def read_cifar(task: Task, data_dir: Path) -> Listing:
    """Read all images of a CIFAR.

    Raises:
        DataError: a file is missing, damaged, or pickles anything but arrays and plain values.
    """
    folder = find_folder(task, data_dir)
    layout = _layout_of(folder)
    train = together([_batch(folder / name, layout, task) for name in layout.train])
    test = _batch(folder / layout.test, layout, task)
    classes = _class_names(folder / layout.about, layout, task)
    return list_arrays(folder, [*layout.train, layout.test], train, test, classes)


def _layout_of(folder: Path) -> _Layout:
    """Tell which CIFAR a folder holds, by any of its files."""
    for layout in LAYOUTS:
        if any((folder / name).exists() for name in (*layout.train, layout.test, layout.about)):
            return layout
    return LAYOUTS[0]  # of which each file is missed


def _batch(path: Path, layout: _Layout, task: Task) -> Labelled:
    content = _unpickle(path)
    rows = content.get("data")
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == 3 * SIDE**2:
        rows = np.ascontiguousarray(rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    return check_labelled(path, task, rows, content.get(layout.labels))


def _class_names(path: Path, layout: _Layout, task: Task) -> list[str]:
    names = _unpickle(path).get(layout.names)
    if not isinstance(names, list) or len(names) != task.num_classes:
        raise DataError(f"{path}: {layout.names} are not {task.num_classes} names")
    return [str(name) for name in names]


def _unpickle(path: Path) -> dict[str, Any]:
    file = BytesIO(read_bytes(path))
    try:
        content = _ArraysOnly(file, encoding="latin1").load()  # Python 2 wrote them
    except Exception as error:  # damaged pickles end in many kinds of errors
        raise DataError(f"{path}: cannot be read ({one_line(error)}); download it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: is no batch of a CIFAR; download it again")
    return content


class _ArraysOnly(pickle.Unpickler):
    """Makes NumPy's arrays and plain values; a pickle that names anything else is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        module = module_name.replace("numpy.core", "numpy._core")  # its name before NumPy 2
        known = {"numpy": ("ndarray", "dtype"), "numpy._core.multiarray": ("_reconstruct",)}
        if global_name not in known.get(module, ()):
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")
        return super().find_class(module, global_name)


READER = Reader(read_cifar)
