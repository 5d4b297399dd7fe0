"""HTA in torchvision's layouts: read as torchvision reads them, refused where malformed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from small_datasets import (
    WRITERS,
    drawn_pixels,
    pickled_by_python_2,
    small_task,
    write_cifar10,
    write_svhn,
)
from torchvision.datasets import DTD, GTSRB, Food101

from sa2vp.data.check import check_task
from sa2vp.data.errors import DataError
from sa2vp.data.options import DataOptions
from sa2vp.data.readers import read_task
from sa2vp.data.readers.base import Listing


def read(data_dir: Path, name: str) -> Listing:
    WRITERS[name](data_dir)
    return read_task(small_task("hta", name), data_dir)


def labels(listing: Listing, split: str) -> dict[str, int]:
    images = listing.splits[split]
    return dict(zip(images.names, images.labels.tolist(), strict=True))


@pytest.mark.parametrize("name", WRITERS)
def test_a_small_one_passes_the_check(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path)
    options = DataOptions(data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    report = check_task(small_task("hta", name), options)
    assert report.problems == []
    train = {"food101": 12, "dtd": 6}.get(name, 8)
    assert report.images == {"train": train, "val": 3 if train != 8 else 2, "test": 3}


def test_cifar10_has_the_pixels_and_labels_of_its_batches(tmp_path: Path) -> None:
    listing = read(tmp_path / "data", "cifar10")
    train, test = write_cifar10(tmp_path / "again")
    assert labels(listing, "test") == {"test#0": 2, "test#1": 1, "test#2": 0}
    assert listing.classes == ["airplane", "automobile", "bird"]
    for place in range(3):
        assert (np.asarray(listing.source.open(f"test#{place}")) == test[place]).all()
    assert (np.asarray(listing.source.open("train#7")) == train[7]).all()
    together = labels(listing, "train") | labels(listing, "val")
    assert [together[f"train#{n}"] for n in range(10)] == [0, 1, 1, 2, 2, 0, 0, 1, 1, 2]


def test_svhn_calls_ten_a_zero(tmp_path: Path) -> None:
    listing = read(tmp_path, "svhn")
    assert labels(listing, "test") == {"test#0": 0, "test#1": 2, "test#2": 1}
    pixels = write_svhn(tmp_path / "again")
    assert (np.asarray(listing.source.open("test#1")) == pixels[1]).all()


def test_gtsrb_is_read_as_torchvision_reads_it(tmp_path: Path) -> None:
    listing = read(tmp_path, "gtsrb")
    for split, ours in (
        ("train", labels(listing, "train") | labels(listing, "val")),
        ("test", labels(listing, "test")),
    ):
        theirs = GTSRB(tmp_path / "hta", split=split)._samples
        folder = tmp_path / "hta" / "gtsrb"
        assert {str(Path(p).relative_to(folder)): label for p, label in theirs} == ours


def test_food101_is_read_as_torchvision_reads_it(tmp_path: Path) -> None:
    listing = read(tmp_path, "food101")
    theirs = Food101(tmp_path / "hta", split="train")
    folder = tmp_path / "hta" / "food-101"
    names = [path.relative_to(folder).as_posix() for path in theirs._image_files]
    ours = labels(listing, "train") | labels(listing, "val")
    assert dict(zip(names, theirs._labels, strict=True)) == ours
    assert listing.classes == theirs.classes == ["apple_pie", "ramen", "waffles"]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_dtd_is_read_as_torchvision_reads_it(tmp_path: Path, split: str) -> None:
    listing = read(tmp_path, "dtd")
    theirs = DTD(tmp_path / "hta", split=split)
    folder = tmp_path / "hta" / "dtd" / "dtd"
    names = [path.relative_to(folder).as_posix() for path in theirs._image_files]
    assert dict(zip(names, theirs._labels, strict=True)) == labels(listing, split)


def test_the_held_out_fifth_is_the_same_every_time(tmp_path: Path) -> None:
    first = read(tmp_path / "one", "cifar100")
    again = read(tmp_path / "two", "cifar100")
    assert first.splits["val"].names == again.splits["val"].names
    train, val = set(first.splits["train"].names), set(first.splits["val"].names)
    assert (len(train), len(val), len(train | val)) == (8, 2, 10)
    # RandomState(0).permutation(10) is 2 8 4 9 1 6 7 3 0 5.
    assert first.splits["val"].names == ["train#0", "train#5"]


class Hostile:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("echo pwned",)


def pickled(content: object) -> Callable[[Path], None]:
    return lambda path: (path / "test_batch").write_bytes(pickled_by_python_2(content)) and None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "test_batch").unlink(), r"test_batch: no such file"),
        (lambda d: (d / "test_batch").write_bytes(b""), r"test_batch: cannot be read \(Ran out"),
        (
            lambda d: (d / "test_batch").write_bytes(pickle.dumps(Hostile())),
            r"test_batch: cannot be read \(it names posix\.system\)",
        ),
        (pickled([1]), r"test_batch: is no batch of a CIFAR"),
        (pickled({}), r"test_batch: its images are no uint8 array of RGB"),
        (
            pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 3]}),
            r"test_batch: label 3 of cifar10 is not from 0 to 2",
        ),
        (
            pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 0.5]}),
            r"test_batch: label 0\.5 of cifar10 is not",
        ),
        (
            pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}),
            r"test_batch: has 2 images and labels of shape \(1,\)",
        ),
        (
            pickled({"data": np.zeros((2, 3072), np.uint8), "labels": ["a", "b"]}),
            r"test_batch: its labels are no numbers",
        ),
        (
            pickled({"data": np.zeros((0, 3072), np.uint8), "labels": []}),
            r"test_batch: has no image",
        ),
        (
            lambda d: (d / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a"]})),
            r"batches\.meta: label_names are not 3 names",
        ),
    ],
)
def test_malformed_batches_are_refused(
    tmp_path: Path,
    change: Callable[[Path], object],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_cifar10(tmp_path)
    change(tmp_path / "hta" / "cifar-10-batches-py")
    with pytest.raises(DataError, match=message):
        read_task(small_task("hta", "cifar10"), tmp_path)
    assert "pwned" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, r"cannot be read \('y'\)"),
        ({"X": np.zeros((32, 32), np.uint8), "y": [[1]]}, r"X has the shape \(32, 32\)"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": [[1], [1]]}, r"its images are no uint8 array"),
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [11]]},
            r"label 11 of svhn is not from 0 to 2",
        ),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1]]}, r"2 images and labels of shape"),
    ],
)
def test_malformed_matlab_files_are_refused(
    tmp_path: Path, content: dict[str, object], message: str
) -> None:
    write_svhn(tmp_path)
    savemat(tmp_path / "hta" / "svhn" / "test_32x32.mat", content)
    with pytest.raises(DataError, match=rf"test_32x32\.mat: .*{message}"):
        read_task(small_task("hta", "svhn"), tmp_path)


def rewrite(name: str, text: str) -> Callable[[Path], None]:
    return lambda data: (data / "hta" / name).write_text(text) and None


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("gtsrb", rewrite("gtsrb/GT-final_test.csv", "a,b\n1,2\n"), r"csv:2: expected columns Fi"),
        (
            "gtsrb",
            rewrite("gtsrb/GT-final_test.csv", "Filename;ClassId\n0.ppm;3\n"),
            r"csv:2: label 3 of gtsrb is not from 0 to 2",
        ),
        (
            "gtsrb",
            rewrite("gtsrb/GT-final_test.csv", "Filename;ClassId\n../../0.ppm;1\n"),
            r"csv:2: 'GTSRB/Final_Test/Images/\.\./\.\./0\.ppm' is no path inside",
        ),
        ("gtsrb", rewrite("gtsrb/GT-final_test.csv", '"'), r"csv:1: no table"),
        (
            "gtsrb",
            lambda d: (d / "hta/gtsrb/GTSRB/Training").rename(d / "moved"),
            r"GTSRB/Training: no such folder",
        ),
        ("food101", rewrite("food-101/meta/test.json", "{"), r"test\.json: no JSON"),
        (
            "food101",
            rewrite("food-101/meta/test.json", '{"soup": ["soup/1"]}'),
            r"test\.json: class soup does not occur in train\.json",
        ),
        (
            "food101",
            rewrite("food-101/meta/test.json", '{"ramen": "ramen/1"}'),
            r"test\.json: the entries of ramen are no list",
        ),
        ("food101", rewrite("food-101/meta/train.json", "{}"), r"train\.json: has 0 classes; food"),
        ("dtd", rewrite("dtd/dtd/labels/val1.txt", "woven"), r"val1\.txt:1: expected 'class/imag"),
        (
            "dtd",
            rewrite("dtd/dtd/labels/val1.txt", "knitted/1.jpg"),
            r"val1\.txt: class knitted does not occur in train1\.txt",
        ),
    ],
)
def test_malformed_lists_are_refused(
    tmp_path: Path, task: str, change: Callable[[Path], object], message: str
) -> None:
    WRITERS[task](tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=message) as refused:
        read_task(small_task("hta", task), tmp_path)
    assert "\n" not in str(refused.value)


def test_a_small_image_from_an_array_is_decoded_like_a_file(tmp_path: Path) -> None:
    listing = read(tmp_path, "cifar10")
    image = listing.source.open("train#3")
    assert isinstance(image, Image.Image)
    assert (np.asarray(image) == drawn_pixels(10)[3]).all()
