"""A format that is added as one file: all that is done with images is done with its images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from small_datasets import write_image

from sa2vp.data import readers
from sa2vp.data.check import check_task
from sa2vp.data.custom import custom_task
from sa2vp.data.options import DataOptions
from sa2vp.data.run_images import TaskImages, missing_caches, open_images

SIZE = 14

READER = """
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePath
from zipfile import ZipFile

from sa2vp.data.images.pillow import open_image
from sa2vp.data.images.source import ImageSource
from sa2vp.data.readers.base import SPLITS, Listing, Reader
from sa2vp.data.readers.base.splits import make_split


class Zip(ImageSource):
    def __init__(self, path):
        self.location = str(path)

    def read(self, name):
        with ZipFile(self.location) as file:
            content = file.read(name)
        return content, open_image(BytesIO(content))

    @contextmanager
    def open(self, name):
        with self.read(name)[1] as image:
            yield image

    def stamp(self, name):
        with ZipFile(self.location) as file:
            return str(file.getinfo(name).CRC)


def read_zip(task, data):
    with ZipFile(data) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".png"))
    classes = sorted({PurePath(name).parts[1] for name in names})
    splits = {
        split: make_split(data, (
            (name, classes.index(PurePath(name).parts[1]))
            for name in names if name.startswith(f"{split}/")
        ))
        for split in SPLITS
    }
    return Listing(data, Zip(data), splits, classes)


READER = Reader(read_zip, recognises=lambda data: data.suffix == ".pile")
"""


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos in class folders, the same in photos.pile beside them, and a reader of such files."""
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "zipped.py").write_text(READER)
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path / "added")])
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, "zipped"))
    folder = tmp_path / "photos"
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for number in range(count):
            for label, name in enumerate(["cat", "dog"]):
                seed = 100 * len(split) + 10 * number + label
                write_image(folder / split / name / f"{number}.png", seed)
    shutil.make_archive(str(folder), "zip", folder)
    folder.with_suffix(".zip").rename(folder.with_suffix(".pile"))
    return folder


def options_for(data: Path, *, cached: bool) -> DataOptions:
    cache_dir = str(data.parent / "cache")
    return DataOptions(data_dir=str(data), cache_dir=cache_dir, cached=cached, loaders=1)


def opened(data: Path, *, cached: bool) -> TaskImages:
    task, options = custom_task(data), options_for(data, cached=cached)
    report = check_task(task, options)
    assert report.problems == []
    return open_images(task, options, SIZE, final=True, expected=report.manifest)


def test_it_is_recognised_checked_and_planned(photos: Path) -> None:
    data = photos.with_suffix(".pile")
    task, options = custom_task(data), options_for(data, cached=True)
    assert (task.name, task.num_classes, task.format) == ("photos", 2, "zipped")
    report = check_task(task, options)
    assert (report.images, report.classes) == ({"train": 8, "val": 4, "test": 4}, ["cat", "dog"])
    assert (
        report.manifest
        == check_task(custom_task(photos), options_for(photos, cached=True)).manifest
    )
    assert [len(plan.names) for plan in missing_caches([task], options, SIZE)] == [12, 4]


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "streamed"])
def test_runs_load_the_pixels_that_files_would_give(photos: Path, cached: bool) -> None:
    zipped, files = (opened(data, cached=cached) for data in (photos.with_suffix(".pile"), photos))
    for found, expected in ((zipped.train, files.train), (zipped.test, files.test)):
        assert torch.equal(found.targets, expected.targets)
        every = [torch.arange(len(expected))]
        (images,), (same,) = found.load(every), expected.load(every)
        assert torch.equal(images, same)
