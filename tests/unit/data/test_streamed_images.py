"""Images decoded each time: the cache's pixels, from worker processes that end in time."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from photos import save_photos, truncate
from torch import Tensor

from sa2vp.data.errors import UnreadableImageError
from sa2vp.data.images.batches import CachedImages
from sa2vp.data.images.cache import open_cache
from sa2vp.data.images.decode import Resizing
from sa2vp.data.images.source import ArraySource, FolderSource, ImageSource
from sa2vp.data.images.stream import StreamedImages

CROP = Resizing(32, "crop")
BATCHES = [torch.tensor(batch) for batch in ([5, 0, 3], [1, 2], [4, 4, 4], [0])]
NAMES = [f"{number:03}.jpg" for number in range(6)]
TARGETS = torch.tensor([1, 0, 2, 1, 0, 2])


def draw_places() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(len(batch), 3, generator=generator) for batch in BATCHES]


def stream(
    source: ImageSource, names: list[str], resizing: Resizing, workers: int
) -> StreamedImages:
    return StreamedImages(source, names, TARGETS, resizing, True, workers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_photos(tmp_path / "images", 6)
    return tmp_path / "images"


@pytest.fixture(params=["files", "array"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ImageSource, list[str]]:
    if request.param == "files":
        names = save_photos(tmp_path / "images", 6)
        return FolderSource(tmp_path / "images"), names
    pixels = np.random.default_rng(0).integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)
    return ArraySource({"train": pixels}, "1"), [f"train#{i}" for i in range(6)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["crop", "resize"])
@pytest.mark.parametrize("drawn", [True, False])
def test_streamed_is_cached(
    tmp_path: Path, images: tuple[ImageSource, list[str]], kind: str, workers: int, drawn: bool
) -> None:
    source, names = images
    resizing = Resizing(32, kind)
    cache = open_cache(source, names, resizing, tmp_path / "cache")
    cached = CachedImages(cache, np.arange(6), TARGETS, resizing, True)
    streamed = stream(source, names, resizing, workers)
    assert len(streamed) == len(cached) == 6
    draws = draw_places() if drawn else None
    ours, theirs = list(streamed.load(BATCHES, draws)), list(cached.load(BATCHES, draws))
    assert [len(batch) for batch in ours] == [3, 2, 3, 1]
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == torch.uint8
        assert torch.equal(one, other)
        assert one.stride() == other.stride()  # the same kernels give the same results


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_is_drawn_from_the_generator_of_dropout(folder: Path, workers: int) -> None:
    before = torch.get_rng_state()
    list(stream(FolderSource(folder), NAMES, CROP, workers).load(BATCHES))
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_end_when_the_iterator_is_closed_early(folder: Path) -> None:
    iterator = stream(FolderSource(folder), NAMES, CROP, 2).load(BATCHES * 10)
    next(iterator)
    assert len(multiprocessing.active_children()) == 2
    iterator.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_damaged_meanwhile_is_named(folder: Path, workers: int) -> None:
    truncate(folder / NAMES[4])
    batches = stream(FolderSource(folder), NAMES, CROP, workers).load(BATCHES)
    assert next(batches).shape == (3, 3, 32, 32)
    assert next(batches).shape == (2, 3, 32, 32)
    with pytest.raises(UnreadableImageError, match=r"\A004\.jpg: .*truncated.*\Z"):
        next(batches)
    assert multiprocessing.active_children() == []
