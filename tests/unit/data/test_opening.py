"""A run reads the data that were checked, or is refused; wherever they lie."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from photos import truncate
from small_datasets import write_image

from sa2vp.data.check import check_task
from sa2vp.data.custom import custom_task
from sa2vp.data.errors import DataError, UnreadableImageError
from sa2vp.data.fingerprint import Manifest
from sa2vp.data.options import DataOptions
from sa2vp.data.readers.demo import LOADERS, load_task
from sa2vp.models import load_backbone
from sa2vp.suites import Task, suite_tasks
from sa2vp.training.build import build_run
from sa2vp.training.run import TrainingRun
from sa2vp.training.settings import SA2VPSettings

SETTINGS = SA2VPSettings(
    inter_dim=8, inter_weight=0.5, dropout=0.0, lr=1e-3, batch_size=4, weight_decay=0.0,
    epochs=1, seed=1,
)  # fmt: skip
OTHER = Path("other/photos")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Photos, and a copy of them elsewhere, where a run may find them."""
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        for number in range(count):
            for label, name in enumerate(["cat", "dog"]):
                seed = 100 * len(split) + 10 * number + label
                write_image(tmp_path / "photos" / split / name / f"{number}.png", seed)
    shutil.copytree(tmp_path / "photos", tmp_path / OTHER)
    return tmp_path


def checked(home: Path) -> tuple[Task, Manifest]:
    options = DataOptions(data_dir=str(home / "photos"), cache_dir=str(home / "cache"))
    task = custom_task(home / "photos")
    report = check_task(task, options)
    assert report.problems == []
    assert report.manifest is not None
    return task, report.manifest


def build(home: Path, *, final: bool, cached: bool, folder: Path = OTHER) -> TrainingRun:
    task, manifest = checked(home)
    cache_dir = str(home / "cache of the other")
    options = DataOptions(
        data_dir=str(home / folder), cache_dir=cache_dir, cached=cached, loaders=0
    )
    backbone = load_backbone("demo")
    return build_run(task, backbone, SETTINGS, final=final, data=options, expected=manifest)


def add_a_byte(photos: Path, split: str) -> None:
    with (photos / split / "cat/0.png").open("ab") as file:
        file.write(b"x")


def exchange_labels(photos: Path, split: str) -> None:
    for name, other in (("cat", "kept"), ("dog", "cat"), ("kept", "dog")):
        (photos / split / name).rename(photos / split / other)


def rename_one(photos: Path, split: str) -> None:
    (photos / split / "cat/0.png").rename(photos / split / "cat/00.png")


def leave_one_out(photos: Path, split: str) -> None:
    (photos / split / "cat/1.png").unlink()


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "streamed"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (add_a_byte, "contents of images of {split} differ"),
        (exchange_labels, "contents of images of {split} differ"),
        (rename_one, "names or labels of {split} differ"),
        (leave_one_out, "{split} has {left} images, not {all}"),
    ],
)
def test_other_data_are_refused(
    home: Path, change: Callable[[Path, str], None], told: str, split: str, cached: bool
) -> None:
    change(home / OTHER, split)
    count = {"train": 6, "val": 4, "test": 4}[split]
    expected = told.format(split=split, left=count - 1, all=count)
    with pytest.raises(DataError) as refused:
        build(home, final=split == "test", cached=cached)
    assert str(refused.value).startswith(f"{home / OTHER} on {os.uname().nodename}: {expected}")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "streamed"])
def test_the_same_data_pass_wherever_they_lie(home: Path, cached: bool) -> None:
    for folder in (Path("photos"), OTHER):
        for final in (False, True):
            run = build(home, final=final, cached=cached, folder=folder)
            assert run.run_epoch().epoch == 1


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "streamed"])
def test_a_search_does_not_look_at_the_test_split(home: Path, cached: bool) -> None:
    shutil.rmtree(home / OTHER / "test/cat")
    truncate(home / OTHER / "test/dog/0.png")
    build(home, final=False, cached=cached)


def test_an_image_that_changes_while_it_is_streamed_is_named(home: Path) -> None:
    run = build(home, final=False, cached=False)
    for path in (home / OTHER / "train/cat").iterdir():
        add_a_byte(path.parents[2], "train")
    told = r"^train/cat/0\.png: has changed since it was checked$"
    with pytest.raises(UnreadableImageError, match=told):
        run.run_epoch()


def test_other_drawn_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (digits,) = suite_tasks("demo", ["digits"])
    manifest, backbone = check_task(digits, DataOptions()).manifest, load_backbone("demo")
    build_run(digits, backbone, SETTINGS, final=False, expected=manifest)
    drawn = load_task(digits)
    labels = drawn.train.labels.copy()
    labels[0] = (labels[0] + 1) % 10
    other = replace(drawn, train=replace(drawn.train, labels=labels))
    monkeypatch.setitem(LOADERS, ("demo", "digits"), lambda: other)
    renamed = replace(digits, summary="not yet loaded")
    with pytest.raises(DataError, match=r"^demo/digits on .*: contents of images of all differ"):
        build_run(renamed, backbone, SETTINGS, final=False, expected=manifest)
