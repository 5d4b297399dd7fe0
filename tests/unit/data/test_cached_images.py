"""Batches out of a cache: torchvision's pipeline in evaluation, its crops in training."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from photos import photo, position_photo, save_photos
from PIL import Image
from torch import Tensor
from torchvision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    ToTensor,
)

from sa2vp.data.images.batches import CachedImages
from sa2vp.data.images.cache import open_cache
from sa2vp.data.images.decode import Resizing
from sa2vp.data.images.normalise import Normalise
from sa2vp.data.images.source import FolderSource

PLAIN = {
    "crop": [Resize(37), CenterCrop(32)],  # the shorter side to 32 * 8 / 7
    "resize": [Resize((32, 32))],
}


def open_examples(folder: Path, names: list[str], resizing: Resizing) -> CachedImages:
    """Make a cache beside the folder."""
    cache = open_cache(FolderSource(folder), names, resizing, folder.with_name("cache"))
    rows = np.arange(len(names))
    targets = torch.arange(len(names))
    return CachedImages(cache, rows, targets, resizing, resizing.kind == "crop")


def load_one(examples: CachedImages, batch: list[int], draws: Tensor | None = None) -> Tensor:
    (images,) = examples.load([torch.tensor(batch)], None if draws is None else [draws])
    assert images.dtype == torch.uint8
    return images


@pytest.mark.parametrize("kind", PLAIN)
def test_evaluation_inputs_are_torchvisions(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "images"
    names = save_photos(folder)
    plain = Compose([*PLAIN[kind], ToTensor(), Normalize([0.5] * 3, [0.5] * 3)])
    images = load_one(open_examples(folder, names, Resizing(32, kind)), list(range(len(names))))
    inputs = Normalise((32, 32))(images)
    for name, ours in zip(names, inputs, strict=True):
        with Image.open(folder / name) as image:
            torch.testing.assert_close(
                ours, plain(image.convert("RGB")), rtol=0, atol=1e-6, msg=name
            )


def test_the_published_size_is_torchvisions(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    photo(375, 501).convert("RGB").save(folder / "a.jpg", quality=90)
    plain = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize([0.5] * 3, [0.5] * 3)])
    ours = load_one(open_examples(folder, ["a.jpg"], Resizing(224, "crop")), [0])
    with Image.open(folder / "a.jpg") as image:
        expected = plain(image)[None]
    torch.testing.assert_close(Normalise((224, 224))(ours), expected, rtol=0, atol=1e-6)


def test_a_flip_after_the_crop_is_torchvisions(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    names = save_photos(folder, 4)
    plain = Compose(
        [*PLAIN["crop"], RandomHorizontalFlip(1), ToTensor(), Normalize([0.5] * 3, [0.5] * 3)]
    )
    images = load_one(open_examples(folder, names, Resizing(32, "crop")), [0, 1, 2, 3])
    mirrored = torch.tensor([False, True, False, True])
    flipped = Normalise((32, 32))(images, mirrored)
    torch.testing.assert_close(flipped[::2], Normalise((32, 32))(images)[::2], rtol=0, atol=0)
    for place in (1, 3):
        with Image.open(folder / names[place]) as image:
            torch.testing.assert_close(flipped[place], plain(image), rtol=0, atol=1e-6)


@pytest.fixture
def positions(tmp_path: Path) -> CachedImages:
    """An image of 40 x 44 pixels, kept at that size: crops of 35 have 6 places by 10."""
    folder = tmp_path / "images"
    folder.mkdir()
    position_photo(40, 44).save(folder / "a.png")
    return open_examples(folder, ["a.png"], Resizing(35, "crop"))


def corners(examples: CachedImages, draws: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """Tell where crops begin: each pixel tells its row and column."""
    rows = torch.tensor([(*draw, 0.0) for draw in draws])
    crops = load_one(examples, [0] * len(draws), rows)
    assert crops.shape == (len(draws), 3, 35, 35)
    assert (crops[:, 0, 34, 0] - crops[:, 0, 0, 0] == 34).all()
    assert (crops[:, 1, 0, 34] - crops[:, 1, 0, 0] == 34).all()
    return [(int(crop[0, 0, 0]), int(crop[1, 0, 0])) for crop in crops]


def test_draws_reach_every_place_equally_often(positions: CachedImages) -> None:
    grid = [(number + 0.5) / 60 for number in range(60)]
    found = corners(positions, [(number, number) for number in grid])
    assert Counter(top for top, _ in found) == dict.fromkeys(range(6), 10)
    assert Counter(left for _, left in found) == dict.fromkeys(range(10), 6)


def test_the_places_are_those_of_torchvisions_random_crop(positions: CachedImages) -> None:
    torch.manual_seed(0)
    theirs = {RandomCrop.get_params(Image.new("1", (44, 40)), (35, 35))[:2] for _ in range(2000)}
    ours = set(corners(positions, torch.rand(2000, 2).tolist()))
    assert theirs == ours == {(top, left) for top in range(6) for left in range(10)}


def test_draws_at_the_ends_stay_inside(positions: CachedImages) -> None:
    last = 1 - 2**-24  # the largest that torch.rand draws
    ends = [(0.0, last), (last, 0.0), (1.0, 1.0), (0.5, 0.25)]
    assert corners(positions, ends) == [(0, 9), (5, 0), (5, 9), (3, 2)]


def test_without_draws_the_crop_is_central(positions: CachedImages) -> None:
    crop = load_one(positions, [0])[0]
    # 5 and 9 pixels to spare: halves are rounded to the even number
    assert (int(crop[0, 0, 0]), int(crop[1, 0, 0])) == (2, 4)


def test_resized_images_are_whole_whatever_is_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    position_photo(32, 32).save(folder / "a.png")
    examples = open_examples(folder, ["a.png"], Resizing(32, "resize"))
    drawn = load_one(examples, [0], torch.tensor([[0.9, 0.9, 0.9]]))
    assert torch.equal(drawn, load_one(examples, [0]))
    assert drawn[0, 0, :, 0].tolist() == list(range(32))


def test_batches_come_in_order_and_keep_their_pixels(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    names = save_photos(folder, 5)
    whole = open_examples(folder, names, Resizing(32, "crop"))
    # Examples need not lie in the cache's order, as the splits of a task do not.
    rows = np.array([4, 0, 2])
    part = CachedImages(whole.cache, rows, torch.tensor([7, 8, 9]), whole.resizing, True)
    assert len(part) == 3
    everything = load_one(whole, [0, 1, 2, 3, 4])
    first, second = list(part.load([torch.tensor([2, 0]), torch.tensor([1])]))
    assert torch.equal(first, everything[[2, 4]])
    assert torch.equal(second, everything[[0]])
