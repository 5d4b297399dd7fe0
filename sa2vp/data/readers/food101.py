"""Food-101 as torchvision keeps it: images in class folders, listed by ``meta/*.json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.images.source import FolderSource
from sa2vp.data.readers.base import Listing, Reader, find_folder
from sa2vp.data.readers.base.splits import check_name, hold_out, make_split, read_json_object
from sa2vp.suites import Task


def read_food101(task: Task, data_dir: Path) -> Listing:
    """List the dishes; labels are the classes' places in alphabetical order.

    Raises:
        DataError: a list is missing or malformed.
    """
    folder = find_folder(task, data_dir)
    files = {split: folder / "meta" / f"{split}.json" for split in ("train", "test")}
    content = {split: read_json_object(path) for split, path in files.items()}
    classes = sorted(content["train"])
    if len(classes) != task.num_classes:
        raise DataError(
            f"{files['train']}: has {len(classes)} classes; {task.name} {task.num_classes}"
        )
    train, test = (
        make_split(path, _entries(path, content[split], classes)) for split, path in files.items()
    )
    kept, held_out = hold_out(train)
    splits = {"train": kept, "val": held_out, "test": test}
    return Listing(folder, FolderSource(folder), splits, classes)


def _entries(
    path: Path, listed: dict[str, object], classes: Sequence[str]
) -> Iterator[tuple[str, int]]:
    labels = {name: label for label, name in enumerate(classes)}
    for of_class, names in listed.items():
        if of_class not in labels:
            raise DataError(f"{path}: class {of_class} does not occur in train.json")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{path}: the entries of {of_class} are no list of names")
        for name in names:
            yield check_name(f"images/{name}.jpg", str(path)), labels[of_class]


READER = Reader(read_food101)
