"""SVHN's cropped digits as torchvision keeps them: two MATLAB files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from sa2vp.data.errors import DataError
from sa2vp.data.readers.base import Listing, Reader, find_folder
from sa2vp.data.readers.base.arrays import Labelled, check_labelled, list_arrays
from sa2vp.data.readers.base.splits import read_bytes
from sa2vp.suites import Task
from sa2vp.text import one_line

FILES = ("train_32x32.mat", "test_32x32.mat")


def read_svhn(task: Task, data_dir: Path) -> Listing:
    """Read all digits.

    Raises:
        DataError: a file is missing or malformed.
    """
    folder = find_folder(task, data_dir)
    train, test = (_read(folder / name, task) for name in FILES)
    return list_arrays(folder, FILES, train, test, [str(n) for n in range(task.num_classes)])


def _read(path: Path, task: Task) -> Labelled:
    file = BytesIO(read_bytes(path))
    try:
        content = loadmat(file, variable_names=["X", "y"])
        images, labels = content["X"], np.asarray(content["y"], np.float64)
        if images.ndim != 4 or labels.ndim != 2 or labels.shape[1] != 1:
            raise ValueError(f"X has the shape {images.shape}, y {labels.shape}")
    except Exception as error:  # damaged files end in many kinds of errors
        raise DataError(f"{path}: cannot be read ({one_line(error)}); download it again") from error
    digits = np.where(labels[:, 0] == 10, 0, labels[:, 0])  # MATLAB counts from 1: 10 is a zero
    return check_labelled(path, task, np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits)


READER = Reader(read_svhn)
