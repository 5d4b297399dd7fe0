"""Data that a search would be wrong with are named, each image and line; the rest passes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small_datasets import small_task, write_fgvc, write_image, write_vtab

from sa2vp.data.check import TaskReport, check_task
from sa2vp.data.fingerprint import Manifest, what_changed
from sa2vp.data.options import DataOptions

VTAB = small_task("vtab-1k", "dtd")
IMAGES = Path("vtab-1k/dtd/images")
A_TRAIN_IMAGE = IMAGES / "train800" / "some file 0.jpg"
A_TEST_IMAGE = IMAGES / "test" / "some file 0.jpg"


def check(home: Path) -> TaskReport:
    return check_task(VTAB, DataOptions(data_dir=str(home / "data"), cache_dir=str(home / "cache")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_vtab(tmp_path / "data")
    return tmp_path


def test_whole_data_pass(home: Path) -> None:
    report = check(home)
    assert report.problems == report.remarks == []
    assert report.images == {"train": 6, "val": 3, "test": 3}
    assert report.folder == str(home / "data/vtab-1k/dtd")


def test_fgvc_passes_too(tmp_path: Path) -> None:
    write_fgvc(tmp_path)
    options = DataOptions(data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    report = check_task(small_task("fgvc", "cub200"), options)
    assert (report.problems, report.images) == ([], {"train": 6, "val": 3, "test": 3})


def replace_list(data: Path, name: str, *lines: str) -> None:
    (data / "vtab-1k/dtd" / name).write_text("\n".join(lines))
    (data / "vtab-1k/dtd/train800val200.txt").unlink(missing_ok=True)


def truncate(data: Path) -> None:
    path = data / A_TEST_IMAGE
    path.write_bytes(path.read_bytes()[:-100])


def link_out(data: Path) -> None:
    outside = data.parent / "outside.jpg"
    shutil.move(data / A_TEST_IMAGE, outside)
    (data / A_TEST_IMAGE).symlink_to(outside)


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (lambda d: shutil.rmtree(d / "vtab-1k"), "no folder of vtab-1k/dtd; looked for vtab-1k/dtd"),
    (lambda d: (d / "vtab-1k/dtd/test.txt").unlink(), "test.txt: no such file"),
    (lambda d: (d / A_TEST_IMAGE).unlink(), "images/test/some file 0.jpg: No such file"),
    (truncate, "images/test/some file 0.jpg: image file is truncated"),
    (lambda d: (d / A_TEST_IMAGE).write_text("hello"), "some file 0.jpg: no image of a known for"),
    (lambda d: (d / A_TEST_IMAGE).write_bytes(b""), "some file 0.jpg: no image of a known format"),
    (link_out, "some file 0.jpg: outside of the folder"),
    (lambda d: replace_list(d, "test.txt", "images/test/some file 0.jpg 3"), "label 3 of dtd is n"),
    (lambda d: replace_list(d, "test.txt", "../a.jpg 0"), "test.txt:1: '../a.jpg' is no path in"),
    (lambda d: replace_list(d, "test.txt"), "test.txt: lists no image"),
    (
        lambda d: replace_list(d, "test.txt", "images/train800/some file 0.jpg 0"),
        "train and test share 1 images: images/train800/some file 0.jpg",
    ),
]


@pytest.mark.parametrize(("breaking", "expected"), BROKEN, ids=[text[:40] for _, text in BROKEN])
def test_broken_data_are_explained_in_one_line(
    home: Path, breaking: Callable[[Path], object], expected: str
) -> None:
    breaking(home / "data")
    (problem,) = check(home).problems
    assert expected in problem
    assert "\n" not in problem


def test_a_user_without_a_home_folder_is_told_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("sa2vp.data.images.cache.user_cache_path", nowhere)
    (problem,) = check_task(VTAB, DataOptions(data_dir=str(home / "data"))).problems
    assert problem.endswith("--cache-dir")


def test_every_unreadable_image_is_named(home: Path) -> None:
    paths = sorted((home / "data" / IMAGES).rglob("*.jpg"))
    for path in paths:
        path.write_text("no image")
    assert len(check(home).problems) == len(paths) == 12


def test_links_out_of_the_folder_are_counted_in_one_line(home: Path) -> None:
    data = home / "data" / IMAGES
    data.rename(home / "elsewhere")
    for path in sorted((home / "elsewhere").rglob("*.jpg")):
        link = data / path.relative_to(home / "elsewhere")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    (data / "val200/some file 0.jpg").unlink()
    outside, missing = check(home).problems
    assert outside.startswith("11 images, images/train800/some file 0.jpg, images/train800/some")
    assert outside.endswith(
        f" and 8 more: outside of the folder {home / 'data/vtab-1k/dtd'}; "
        "copy the images there, or give the folder that holds both"
    )
    assert missing.startswith("images/val200/some file 0.jpg: No such file")


def test_classes_that_train_lacks_are_a_remark(home: Path) -> None:
    replace_list(home / "data", "train800.txt", "images/train800/some file 0.jpg 0")
    report = check(home)
    assert report.problems == []
    assert report.classes_in_train == 1
    assert report.remarks == ["train has 1 of 3 classes; no 1, 2"]


def test_copies_in_two_splits_are_a_remark(home: Path) -> None:
    shutil.copy(home / "data" / A_TRAIN_IMAGE, home / "data" / A_TEST_IMAGE)
    report = check(home)
    assert report.problems == []
    (remark,) = report.remarks
    assert remark.startswith("1 images of test have the content of one of train: images/train800")


def memory_of(home: Path) -> Path:
    (memory,) = (home / "cache/examined").glob("*.parquet")
    return memory


def test_an_image_is_examined_again_only_when_it_has_changed(home: Path) -> None:
    assert check(home).problems == []
    facts = pd.read_parquet(memory_of(home)).assign(damage="as remembered")
    facts.to_parquet(memory_of(home))
    assert len(check(home).problems) == 12
    os.utime(home / "data" / A_TEST_IMAGE)
    assert len(check(home).problems) == 11


def write_anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def put_another_in_its_place(path: Path, content: bytes) -> None:
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


@pytest.mark.parametrize("change", [write_anew, put_another_in_its_place])
def test_a_time_that_is_set_back_hides_no_change(
    home: Path, change: Callable[[Path, bytes], None]
) -> None:
    before, path = manifest(home), home / "data" / A_TEST_IMAGE
    # After the end of the image: it can be decoded all the same.
    path.write_bytes(path.read_bytes() + b"a")
    between, status = manifest(home), path.stat()
    change(path, path.read_bytes()[:-1] + b"b")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    after = manifest(home)
    assert what_changed(between, after) == "contents of images of test differ"
    assert len({found.fingerprint for found in (before, between, after)}) == 3


def test_folders_that_are_exchanged_are_examined_again(home: Path) -> None:
    data = home / "data" / IMAGES
    same = 1_000_000_000  # of all files, which get the same size too
    size = max(path.stat().st_size for path in data.rglob("*.jpg"))
    for path in data.rglob("*.jpg"):
        path.write_bytes(path.read_bytes().ljust(size, b"x"))
        os.utime(path, (same, same))
    before = manifest(home)
    (data / "val200").rename(data / "kept")
    (data / "test").rename(data / "val200")
    (data / "kept").rename(data / "test")
    told = "contents of images of val differ; contents of images of test differ"
    assert what_changed(before, manifest(home)) == told


def test_a_damaged_memory_costs_another_look_alone(home: Path) -> None:
    check(home)
    memory_of(home).write_bytes(b"PAR1")
    assert check(home).problems == []


def manifest(home: Path) -> Manifest:
    found = check(home).manifest
    assert found is not None
    return found


def test_the_fingerprint_is_the_same_wherever_the_data_lie(home: Path) -> None:
    before = manifest(home)
    shutil.move(home / "data", home / "moved")
    shutil.copytree(home / "moved", home / "data")
    assert manifest(home).fingerprint == before.fingerprint
    assert len(before.fingerprint) == 16


def swap_first_lines(data: Path) -> None:
    test, val = (data / "vtab-1k/dtd" / name for name in ("test.txt", "val200.txt"))
    (first, *more), (other, *others) = test.read_text().split("\n"), val.read_text().split("\n")
    replace_list(data, "test.txt", other, *more)
    replace_list(data, "val200.txt", first, *others)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: write_image(d / A_TEST_IMAGE, 999), "contents of images of test differ"),
        (
            lambda d: replace_list(d, "val200.txt", "images/val200/some file 0.jpg 0"),
            "val has 1 images, not 3",
        ),
        (
            lambda d: replace_list(
                d, "test.txt", *(f"images/test/some file {n}.jpg {(n + 1) % 3}" for n in range(3))
            ),
            "names or labels of test differ",
        ),
        (swap_first_lines, "names or labels of val differ; names or labels of test differ"),
    ],
)
def test_every_change_gives_another_fingerprint_and_is_told(
    home: Path, change: Callable[[Path], object], told: str
) -> None:
    before = manifest(home)
    change(home / "data")
    after = manifest(home)
    assert after.fingerprint != before.fingerprint
    assert what_changed(before, after) == told
    assert what_changed(before, before) == "nothing that was noted"
