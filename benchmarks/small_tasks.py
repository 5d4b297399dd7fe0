"""Small tasks that differ in what they ask, so that the best configurations of each differ too.

Each has up to 320 training and 200 validation images of 32x32 pixels and no test split. Most are
drawn here or made of scikit-learn's digits; three are drawn by chance from larger datasets of real
images, which lie elsewhere.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sa2vp.data.custom import list_custom
from sa2vp.data.images.decode import Resizing, decode
from sa2vp.data.readers.base import SplitList
from sa2vp.data.readers.base.decoded import Split, TaskData
from sa2vp.data.readers.demo import LOCATION_SHAPES, TRAIN_SIZE, VAL_SIZE, load_task
from sa2vp.data.sprites import IMAGE_SIZE, render
from sa2vp.models.demo.drawings import Draughtsman
from sa2vp.models.demo.pretrain import SHAPES_SEED
from sa2vp.models.demo.shapes import shape_fields
from sa2vp.suites import suite_tasks

DRAWN = TRAIN_SIZE + VAL_SIZE
Grey = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SmallTask:
    """A task to compare searches on.

    Attributes:
        num_classes: labels run from 0 to ``num_classes - 1``.
        summary: what is on the images and what is asked of them.
        make: draws the images, given the task's own random generator and the folder of the real
            images, which only tasks of real images read.
        real: whether ``make`` needs that folder.
    """

    num_classes: int
    summary: str
    make: Callable[[np.random.Generator, Path | None], TaskData]
    real: bool = False


def load(name: str, real: Path | None) -> TaskData:
    """Make the images of a task; they are the same in every call.

    Args:
        name: name of the task in ``SMALL_TASKS``.
        real: folder of the real images.
    """
    return SMALL_TASKS[name].make(np.random.default_rng(seed_of(name)), real)


def seed_of(name: str) -> int:
    """Give the seed of all that is drawn for a task."""
    return crc32(name.encode())


def _of_demo(name: str) -> Callable[[np.random.Generator, Path | None], TaskData]:
    """Take a task of the demo as it is."""

    def make(rng: np.random.Generator, real: Path | None) -> TaskData:
        del rng, real
        (task,) = suite_tasks("demo", [name])
        data = load_task(task)
        return _without_test(data.train, data.val)

    return make


def _of_digits(
    change: Callable[[np.random.Generator, Grey], Grey] = lambda _, grey: grey,
    *,
    per_class: int = TRAIN_SIZE,
    wrong: float = 0.0,
) -> Callable[[np.random.Generator, Path | None], TaskData]:
    """Take the demo's digits, but change the images, or keep fewer, or mislabel a share of them.

    Only the labels of the training split are wrong.
    """

    def make(rng: np.random.Generator, real: Path | None) -> TaskData:
        digits = _of_demo("digits")(rng, real)
        train, val = (
            Split(_as_rgb(change(rng, split.images[:, 0])), split.labels)
            for split in (digits.train, digits.val)
        )
        return _without_test(_mislabelled(rng, _first(train, per_class), wrong, 10), val)

    return make


def _first(split: Split, per_class: int) -> Split:
    """Keep the first images of each class."""
    ranks = [int((split.labels[:i] == label).sum()) for i, label in enumerate(split.labels)]
    kept = np.array(ranks) < per_class
    return Split(split.images[kept], split.labels[kept])


def _mislabelled(rng: np.random.Generator, split: Split, share: float, classes: int) -> Split:
    """Give a share of the images a label of another class."""
    wrong = rng.random(len(split)) < share
    other = (split.labels + rng.integers(1, classes, len(split))) % classes
    return Split(split.images, np.where(wrong, other, split.labels))


def _faint(rng: np.random.Generator, grey: Grey) -> Grey:
    """Invert, leave a quarter of the contrast, and add noise."""
    inverted = 160 - 0.25 * grey.astype(np.float64)
    return _as_bytes(inverted + rng.normal(0, 12, grey.shape))


def _occluded(rng: np.random.Generator, grey: Grey) -> Grey:
    """Put a grey square of half the image's side over each image, at a random place."""
    side = IMAGE_SIZE // 2
    changed = grey.copy()
    for image in changed:
        top, left = rng.integers(0, IMAGE_SIZE - side, 2, endpoint=True)
        image[top : top + side, left : left + side] = rng.integers(60, 200)
    return changed


def _rotated(rng: np.random.Generator, grey: Grey) -> Grey:
    """Turn each image by up to a quarter either way."""
    turned = [
        Image.fromarray(image).rotate(rng.uniform(-90, 90), Image.Resampling.BILINEAR)
        for image in grey
    ]
    return np.stack([np.asarray(image) for image in turned])


def _sprites(
    num_classes: int, draw: Callable[[np.random.Generator, int], NDArray[np.uint8]]
) -> Callable[[np.random.Generator, Path | None], TaskData]:
    """Draw images of equally frequent labels; ``draw`` gives grey ones or RGB."""

    def make(rng: np.random.Generator, real: Path | None) -> TaskData:
        del real
        labels = np.concatenate(
            [
                rng.permutation(np.arange(size, dtype=np.int64) % num_classes)
                for size in (TRAIN_SIZE, VAL_SIZE)
            ]
        )
        images = np.stack([draw(rng, int(label)) for label in labels])
        return _cut(images if images.ndim == 4 else _as_rgb(images), labels)

    return make


def _count(rng: np.random.Generator, label: int) -> Grey:
    """Draw one sprite more than the label says, none touching another."""
    places: list[NDArray[np.float64]] = []
    while len(places) <= label:
        place = rng.uniform(3, IMAGE_SIZE - 3, 2)
        if all(np.hypot(*(place - other)) > 7 for other in places):
            places.append(place)
    return _together([_sprite(rng, place, rng.uniform(1.5, 2.5)) for place in places])


def _size(rng: np.random.Generator, label: int) -> Grey:
    """Draw a sprite whose radius is in one of eight steps from 3 to 11 pixels."""
    return _sprite(rng, rng.uniform(11, IMAGE_SIZE - 11, 2), 3 + label + rng.uniform(0.1, 0.9))


def _distance(rng: np.random.Generator, label: int) -> Grey:
    """Draw two sprites whose centres are in one of eight steps from 6 to 22 pixels apart."""
    apart = 6 + 2 * (label + rng.uniform(0.1, 0.9))
    while True:
        first = rng.uniform(4, IMAGE_SIZE - 4, 2)
        angle = rng.uniform(0, 2 * np.pi)
        second = first + apart * np.array([np.cos(angle), np.sin(angle)])
        if (second > 4).all() and (second < IMAGE_SIZE - 4).all():
            break
    return _together([_sprite(rng, place, rng.uniform(1.6, 2.2)) for place in (first, second)])


def _colour(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    """Draw a sprite in one of eight hues, pale or not, on grey and under heavy noise."""
    hue = (label + rng.uniform(0.2, 0.8)) / 8
    colour = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.3, 0.9), rng.uniform(0.5, 1)))
    grey = _sprite(rng, rng.uniform(8, IMAGE_SIZE - 8, 2), rng.uniform(4, 7)) / 255
    ground = rng.uniform(0.2, 0.8)
    clean = ground + grey * (colour[:, None, None] - ground)
    return _as_bytes(255 * (clean + rng.normal(0, 0.25, clean.shape)))


def _sprite(rng: np.random.Generator, centre: NDArray[np.float64], radius: float) -> Grey:
    """Draw a sprite of a random shape, turned at random."""
    shape = str(rng.choice(LOCATION_SHAPES))
    return render(shape, (float(centre[0]), float(centre[1])), radius, rng.uniform(0, 360))


def _together(sprites: Sequence[Grey]) -> Grey:
    together: Grey = np.stack(sprites).max(axis=0)
    return together


def _known_shapes(
    wrong: float = 0.0,
) -> Callable[[np.random.Generator, Path | None], TaskData]:
    """Draw ten of the 100 shapes that the demo backbone was trained to tell apart."""

    def make(rng: np.random.Generator, real: Path | None) -> TaskData:
        del real
        fields = shape_fields(100, SHAPES_SEED)
        chosen = torch.cat([fields[:5], fields[50:55]])  # strokes, then filled outlines
        drawing = Draughtsman(chosen, int(rng.integers(2**31))).draw(DRAWN)
        images = _as_bytes(127.5 * (drawing.images.numpy() + 1))
        data = _cut(images, drawing.labels.numpy())
        return _without_test(_mislabelled(rng, data.train, wrong, 10), data.val)

    return make


def _real(name: str) -> Callable[[np.random.Generator, Path | None], TaskData]:
    """Choose images of the train and val splits of ``NAME/NAME.csv`` and resize them."""

    def make(rng: np.random.Generator, real: Path | None) -> TaskData:
        if real is None:
            raise ValueError(f"task {name} needs the folder of the real images (--real)")
        listing = list_custom(real / name / f"{name}.csv")
        resizing = Resizing(IMAGE_SIZE, "resize")

        def choose(split: SplitList, count: int) -> Split:
            chosen = rng.permutation(len(split))[:count]
            images = [decode(listing.source, split.names[i], resizing) for i in chosen]
            channels_first = np.stack(images).transpose(0, 3, 1, 2)
            return Split(np.ascontiguousarray(channels_first), split.labels[chosen])

        return _without_test(
            choose(listing.splits["train"], TRAIN_SIZE), choose(listing.splits["val"], VAL_SIZE)
        )

    return make


def _as_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return rounded


def _as_rgb(grey: Grey) -> NDArray[np.uint8]:
    """Repeat ``(N, H, W)`` into three channels, ``(N, 3, H, W)``."""
    return np.repeat(grey[:, None], 3, axis=1)


def _cut(images: NDArray[np.uint8], labels: Labels) -> TaskData:
    """Cut drawn images into train and val, in the order they were drawn."""
    return _without_test(
        Split(images[:TRAIN_SIZE], labels[:TRAIN_SIZE]),
        Split(images[TRAIN_SIZE:], labels[TRAIN_SIZE:]),
    )


def _without_test(train: Split, val: Split) -> TaskData:
    return TaskData(train, val, Split(val.images[:0], val.labels[:0]))


SMALL_TASKS: Mapping[str, SmallTask] = {
    "digits": SmallTask(10, "the demo's scanned digits: which digit", _of_demo("digits")),
    "location": SmallTask(16, "the demo's sprites: which column", _of_demo("location")),
    "orientation": SmallTask(16, "the demo's sprites: which turn", _of_demo("orientation")),
    "count": SmallTask(8, "1 to 8 small sprites: how many", _sprites(8, _count)),
    "size": SmallTask(8, "a sprite: which of 8 sizes", _sprites(8, _size)),
    "distance": SmallTask(8, "two sprites: how far apart, in 8 steps", _sprites(8, _distance)),
    "colour": SmallTask(8, "a sprite under noise: which of 8 hues", _sprites(8, _colour)),
    "digits_faint": SmallTask(
        10, "digits, inverted, of low contrast and noisy: which digit", _of_digits(_faint)
    ),
    "digits_occluded": SmallTask(
        10, "digits, a quarter of each image hidden: which digit", _of_digits(_occluded)
    ),
    "digits_rotated": SmallTask(
        10, "digits, turned by up to 90 degrees: which digit", _of_digits(_rotated)
    ),
    "digits_few": SmallTask(10, "digits, 8 of each to train: which digit", _of_digits(per_class=8)),
    "digits_mislabelled": SmallTask(
        10, "digits, 40 % of the training labels wrong: which digit", _of_digits(wrong=0.4)
    ),
    "known_shapes": SmallTask(
        10, "shapes of the backbone's pre-training: which of ten", _known_shapes()
    ),
    "known_shapes_mislabelled": SmallTask(
        10, "the same, 40 % of the training labels wrong", _known_shapes(wrong=0.4)
    ),
    "signs": SmallTask(10, "photos of hands: which digit they show", _real("signs"), real=True),
    "photos": SmallTask(10, "small photos: which object", _real("photos"), real=True),
    "letters": SmallTask(5, "handwritten letters: of which alphabet", _real("letters"), real=True),
}
"""By name. Each draws from a generator of its own: adding one leaves the others as they were."""
