"""Hundreds of damaged files: each is refused in one line or read as what it then says."""

from __future__ import annotations

import codecs
import csv
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from small_datasets import WRITERS, small_task, write_fgvc, write_image, write_vtab

from sa2vp.data.check import check_task
from sa2vp.data.custom import custom_task, list_custom
from sa2vp.data.errors import DataError
from sa2vp.data.options import DataOptions
from sa2vp.data.readers import read_task
from sa2vp.data.readers.base import SPLITS, Listing, SplitList

Pairs = list[tuple[str, object]]

TOKENS = (
    b"", b" ", b"-1", b"3", b"99999999999999999999", b"1e3", b"0x1", b"nan", b"null", b"true",
    b"../x.jpg", b"/etc/passwd", b"\0", b"\xff\xfe", b"\n", b"\r", b";", b",", b'"', b"{", b"[",
    "٣".encode(), b"0.5",
)  # fmt: skip

often = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Damage:
    """Replaces some bytes at a place, given as shares of the file's length."""

    start: float
    length: float
    token: bytes

    def apply(self, content: bytes) -> bytes:
        start = int(self.start * len(content))
        end = start + int(self.length * (len(content) - start))
        return content[:start] + self.token + content[end:]


shares = st.floats(0, 1)
short = st.one_of(st.just(0.0), st.floats(0, 0.05), shares)
damages = st.builds(Damage, shares, short, st.sampled_from(TOKENS) | st.binary(max_size=4))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_vtab(folder)
    write_fgvc(folder)
    for write in WRITERS.values():
        write(folder)
    write_table(folder / "mine.csv")
    pd.read_csv(folder / "mine.csv").to_parquet(folder / "mine.parquet")
    return folder


def write_table(path: Path) -> None:
    rows = [f"{n}.png,{n % 3},{('train', 'val', 'test')[n // 3]}" for n in range(9)]
    path.write_text("\n".join(["path,label,split", *rows]) + "\n")


class Damaged:
    """A file that is damaged for a while."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self.path, self.whole = path, path.read_bytes()
        self.content = damage.apply(self.whole)

    def __enter__(self) -> bytes:
        self.path.write_bytes(self.content)
        return self.content

    def __exit__(self, *error: object) -> None:
        self.path.write_bytes(self.whole)


def listing_or_refusal(read: Callable[[], Listing]) -> Listing | None:
    refusal = ""
    try:
        return read()
    except DataError as error:
        refusal = str(error)
    assert len(refusal.splitlines()) == 1
    return None


def pairs(split: SplitList) -> Pairs:
    return list(zip(split.names, split.labels.tolist(), strict=True))


def check_labels(listing: Listing) -> None:
    for split in listing.splits.values():
        assert len(split) > 0
        assert split.labels.min() >= 0
        assert split.labels.max() < len(listing.classes)


@often
@given(damages)
@example(Damage(1, 0, b"images/test/x.jpg 1 2"))
def test_vtab(home: Path, damage: Damage) -> None:
    with Damaged(home / "vtab-1k/dtd/test.txt", damage) as content:
        found = listing_or_refusal(lambda: read_task(small_task("vtab-1k", "dtd"), home))
        if found is None:
            return
        check_labels(found)
        lines = [line.strip().split(" ") for line in content.decode().splitlines()]
        said = [(" ".join(words[:-1]).strip(), int(words[-1])) for words in lines if any(words)]
        assert pairs(found.splits["test"]) == said


@often
@given(damages)
def test_fgvc(home: Path, damage: Damage) -> None:
    with Damaged(home / "fgvc/CUB_200_2011/val.json", damage) as content:
        found = listing_or_refusal(lambda: read_task(small_task("fgvc", "cub200"), home))
        if found is None:
            return
        said = {name: [4, 30, 200].index(number) for name, number in json.loads(content).items()}
        assert {
            name.removeprefix("images/"): label for name, label in pairs(found.splits["val"])
        } == said


@often
@given(damages)
def test_the_ids_of_fgvc(home: Path, damage: Damage) -> None:
    with Damaged(home / "fgvc/CUB_200_2011/train.json", damage) as content:
        found = listing_or_refusal(lambda: read_task(small_task("fgvc", "cub200"), home))
        if found is None:
            return
        said = json.loads(content)
        ids, labels = np.unique(list(said.values()), return_inverse=True)
        assert len(ids) == 3
        assert found.splits["train"].labels.tolist() == labels.tolist()


@often
@given(damages)
def test_food101(home: Path, damage: Damage) -> None:
    with Damaged(home / "hta/food-101/meta/test.json", damage) as content:
        found = listing_or_refusal(lambda: read_task(small_task("hta", "food101"), home))
        if found is None:
            return
        classes = ["apple_pie", "ramen", "waffles"]
        said = {
            f"images/{name}.jpg": classes.index(dish)
            for dish, names in json.loads(content).items()
            for name in names
        }
        assert dict(pairs(found.splits["test"])) == said


@often
@given(damages)
def test_dtd(home: Path, damage: Damage) -> None:
    with Damaged(home / "hta/dtd/dtd/labels/test1.txt", damage) as content:
        found = listing_or_refusal(lambda: read_task(small_task("hta", "dtd"), home))
        if found is None:
            return
        names = [line.strip() for line in content.decode().splitlines() if line.strip()]
        kinds = ["banded", "dotted", "woven"]
        said = [(f"images/{name}", kinds.index(name.split("/")[0])) for name in names]
        assert pairs(found.splits["test"]) == said


@often
@given(damages)
def test_gtsrb(home: Path, damage: Damage) -> None:
    with Damaged(home / "hta/gtsrb/GT-final_test.csv", damage) as content:
        found = listing_or_refusal(lambda: read_task(small_task("hta", "gtsrb"), home))
        if found is None:
            return
        rows = csv.DictReader(StringIO(content.decode(), newline=""), delimiter=";")
        said = [(row["Filename"], int(row["ClassId"])) for row in rows]
        below = "GTSRB/Final_Test/Images/"
        names = [name.removeprefix(below) for name in found.splits["test"].names]
        assert list(zip(names, found.splits["test"].labels.tolist(), strict=True)) == said


@often
@given(damages)
@example(Damage(0, 0, b"\n"))
def test_custom_csv(home: Path, damage: Damage) -> None:
    path = home / "mine.csv"
    with Damaged(path, damage) as content:
        found = listing_or_refusal(lambda: read_task(custom_task(path), path))
        if found is None:
            return
        check_labels(found)
        # Pandas passes over empty lines, also those before the header.
        rows = list(csv.DictReader(StringIO(content.decode().lstrip("\r\n"), newline="")))
        said = {row["path"]: row["label"] for row in rows if row["split"] == "test"}
        classes = {name: found.classes[label] for name, label in pairs(found.splits["test"])}
        assert classes == said


BINARY = {
    "cifar10": "hta/cifar-10-batches-py/test_batch",
    "cifar100": "hta/cifar-100-python/train",
    "svhn": "hta/svhn/test_32x32.mat",
}


@pytest.mark.parametrize("name", BINARY)
@often
@given(damage=damages)
def test_binary_files(home: Path, name: str, damage: Damage) -> None:
    with Damaged(home / BINARY[name], damage):
        found = listing_or_refusal(lambda: read_task(small_task("hta", name), home))
        if found is None:
            return
        check_labels(found)
        for split in found.splits.values():
            assert all(found.source.read(image)[1].size == (32, 32) for image in split.names)


@often
@given(damages)
def test_custom_parquet(home: Path, damage: Damage) -> None:
    path = home / "mine.parquet"
    with Damaged(path, damage):
        found = listing_or_refusal(lambda: read_task(custom_task(path), path))
        if found is not None:
            check_labels(found)


LISTS = {
    "vtab-1k/dtd": "vtab-1k/dtd/val200.txt",
    "fgvc/cub200": "fgvc/CUB_200_2011/train.json",
    "hta/food101": "hta/food-101/meta/train.json",
    "hta/dtd": "hta/dtd/dtd/labels/test1.txt",
    "hta/gtsrb": "hta/gtsrb/GT-final_test.csv",
    "hta/cifar10": "hta/cifar-10-batches-py/batches.meta",
    "hta/cifar100": "hta/cifar-100-python/test",
    "hta/svhn": "hta/svhn/train_32x32.mat",
    "custom/mine": "mine.csv",
    "custom/others": "mine.parquet",
}


def read_named(name: str, home: Path) -> Listing:
    suite, _, task = name.partition("/")
    if suite == "custom":
        path = home / LISTS[name]
        return read_task(custom_task(path), path)
    return read_task(small_task(suite, task), home)


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**28 + 1)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "cannot be read (no regular file)"),
        (Path.mkdir, ""),  # a folder instead of a table is looked into
        (make_sparse, "cannot be read (larger than 256 MiB)"),
    ],
)
def test_a_list_that_is_no_plain_file(
    home: Path, name: str, make: Callable[[Path], object], told: str
) -> None:
    path = home / LISTS[name]
    whole = path.read_bytes()
    path.unlink()
    try:
        make(path)
        with pytest.raises(DataError) as refused:
            read_named(name, home)
    finally:
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(whole)
    assert str(refused.value).startswith(f"{path}: {told}")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["vtab-1k/dtd", "fgvc/cub200", "hta/food101", "custom/mine"])
def test_a_mark_of_the_byte_order_is_passed_over(home: Path, name: str) -> None:
    path = home / LISTS[name]
    whole, expected = path.read_bytes(), read_named(name, home)
    path.write_bytes(codecs.BOM_UTF8 + whole)
    try:
        found = read_named(name, home)
    finally:
        path.write_bytes(whole)
    assert list(map(pairs, found.splits.values())) == list(map(pairs, expected.splits.values()))


ODD_NAMES = {
    "line\nbreak.png": "",
    "return\r.png": "",
    "\x1b[2Jclear.png": "",
    '"quoted, twice".png': "",
    "\udcff.png": r"the name 'cat/\udcff.png' is not UTF-8; rename it",
}


@pytest.mark.parametrize(("name", "told"), ODD_NAMES.items())
def test_odd_names_of_images_of_ones_own(tmp_path: Path, name: str, told: str) -> None:
    folder = tmp_path / "photos"
    options = DataOptions(data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    for seed in range(10):
        write_image(folder / ("cat", "dog")[seed % 2] / f"{seed}.png", seed)
    (folder / "cat" / "0.png").rename(folder / "cat" / name)
    if told:
        with pytest.raises(DataError) as refused:
            custom_task(folder)
        assert str(refused.value) == f"{folder}: {told}"
        return
    for _ in range(2):  # once when the split is made, once when it is read
        assert check_task(custom_task(folder), options).problems == []
    (folder / "cat" / name).write_text("no image")
    (problem,) = check_task(custom_task(folder), options).problems
    assert "no image of a known format" in problem
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("path", [b"\xff"] * 3, "its columns are no text or numbers"),
        ("label", [[1], [1, 2], [3]], r"class '?\[1,? 2\]'? of val does not occur in train"),
        ("label", [None, "1", "1"], "row 1 lacks a value"),
    ],
)
def test_tables_of_odd_values(tmp_path: Path, column: str, values: list[object], told: str) -> None:
    table = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": ["1"] * 3})
    table["split"] = ["train", "val", "test"]
    path = tmp_path / "mine.parquet"
    table.assign(**{column: pd.Series(values, dtype=object)}).to_parquet(path)
    with pytest.raises(DataError, match=told) as refused:
        custom_task(path)
    assert str(refused.value).isprintable()


def test_a_class_may_be_a_longer_number_than_python_reads(tmp_path: Path) -> None:
    long = "9" * 5000
    rows = [f"{split}{n}.png,{n},{split}" for split in SPLITS for n in (long, "10", "9")]
    (tmp_path / "mine.csv").write_text("\n".join(["path,label,split", *rows]))
    assert custom_task(tmp_path / "mine.csv").num_classes == 3
    assert list_custom(tmp_path / "mine.csv").classes == ["9", "10", long]


def test_a_name_that_is_too_long_is_one_line(home: Path) -> None:
    names = json.dumps({"a" * 5000 + ".jpg": 4, "b.jpg": 30, "c.jpg": 200})
    path = home / "fgvc/CUB_200_2011/train.json"
    with Damaged(path, Damage(0, 1, names.encode())):
        options = DataOptions(data_dir=str(home), cache_dir=str(home / "cache"))
        first, *_ = check_task(small_task("fgvc", "cub200"), options).problems
    assert first.endswith("aaa.jpg: File name too long")


def decodes(content: bytes) -> bool:
    try:
        Image.open(BytesIO(content), formats=["JPEG", "PNG"]).convert("RGB")
    except Exception:  # noqa: BLE001 - damaged images end in many kinds of errors
        return False
    return True


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("images")
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        for seed in range(count):
            for kind in ("cat", "dog"):
                write_image(folder / split / kind / f"{seed}.{'png' if seed else 'jpg'}", seed)
    return folder


@pytest.mark.parametrize("name", ["train/cat/0.jpg", "train/dog/1.png"])
@often
@given(damage=damages)
def test_an_image_is_refused_exactly_when_pillow_cannot_decode_it(
    images: Path, name: str, damage: Damage
) -> None:
    with Damaged(images / name, damage) as content:
        options = DataOptions(data_dir=str(images), cache_dir=str(images / "cache"))
        problems = check_task(custom_task(images), options).problems
        assert [problem.split(":")[0] for problem in problems] == [name] * (not decodes(content))
