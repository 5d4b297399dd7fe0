"""GTSRB as torchvision keeps it: class folders of .ppm files, and a table for the test images."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import FolderSource
from sa2vp.data.readers.base import Listing, Reader, find_folder
from sa2vp.data.readers.base.splits import check_name, hold_out, make_split, read_text, whole_label
from sa2vp.suites import Task

TRAINING = "GTSRB/Training"
TESTING = "GTSRB/Final_Test/Images"
TEST_TABLE = "GT-final_test.csv"


def read_gtsrb(task: Task, data_dir: Path) -> Listing:
    """List the signs; the table that comes with the test images says what they are.

    Raises:
        DataError: a folder or the table is missing or malformed; names the line.
    """
    folder = find_folder(task, data_dir)
    train, val = hold_out(make_split(folder / TRAINING, _training(task, folder)))
    test = make_split(folder / TEST_TABLE, _testing(task, folder / TEST_TABLE))
    splits = {"train": train, "val": val, "test": test}
    classes = [str(label) for label in range(task.num_classes)]
    return Listing(folder, FolderSource(folder), splits, classes)


def _training(task: Task, folder: Path) -> Iterator[tuple[str, int]]:
    if not (folder / TRAINING).is_dir():
        raise DataError(f"{folder / TRAINING}: no such folder")
    for of_class in sorted((folder / TRAINING).iterdir()):
        if of_class.is_dir():
            label = whole_label(of_class.name, task, str(of_class))
            for path in sorted(of_class.glob("*.ppm")):
                yield check_name(path.relative_to(folder).as_posix(), str(folder)), label


def _testing(task: Task, path: Path) -> Iterator[tuple[str, int]]:
    rows = csv.DictReader(read_text(path).splitlines(), delimiter=";", strict=True)
    try:
        for row in rows:
            where = f"{path}:{rows.line_num}"
            name, label = row.get("Filename"), row.get("ClassId")
            if not name or not label:
                raise DataError(f"{where}: expected columns Filename and ClassId, divided by ;")
            yield check_name(f"{TESTING}/{name}", where), whole_label(label, task, where)
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num + 1}: no table ({error})") from error


READER = Reader(read_gtsrb)
