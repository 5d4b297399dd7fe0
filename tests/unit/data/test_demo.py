"""The demo tasks: sizes, labels, and sprites that stand where and as their labels say."""

from dataclasses import replace

import numpy as np
import pytest

from sa2vp.data import sprites
from sa2vp.data.readers import demo
from sa2vp.data.readers.demo import load_task
from sa2vp.suites import TASKS

SIZES = {"train": demo.TRAIN_SIZE, "val": demo.VAL_SIZE, "test": demo.TEST_SIZE}
DEMO_TASKS = {task.name: task for task in TASKS if task.suite == "demo"}


@pytest.fixture(params=sorted(DEMO_TASKS))
def task(request):
    return DEMO_TASKS[request.param]


def splits(task):
    data = load_task(task)
    return {name: getattr(data, name) for name in SIZES}


def draw_one(shape, centre_px=(16.0, 16.0), radius_px=6.0, turn_deg=0.0):
    return sprites.render(shape, centre_px, radius_px, turn_deg).astype(float)


def intensity_centre_px(image):
    """Of ``(32, 32)``: x and y, pixel i spanning i to i + 1."""
    line = np.arange(32) + 0.5
    return (image.sum(0) @ line / image.sum(), image.sum(1) @ line / image.sum())


def test_sizes_and_label_balance(task):
    for name, split in splits(task).items():
        assert split.images.shape == (SIZES[name], 3, 32, 32)
        counts = np.bincount(split.labels, minlength=task.num_classes)
        assert len(counts) == task.num_classes
        # scikit-learn's digits are not quite balanced: 174 to 183 of each
        assert counts.max() - counts.min() <= (4 if task.name == "digits" else 1)


def test_no_image_is_shared_or_repeated(task):
    images = np.concatenate([split.images for split in splits(task).values()])
    assert len({image.tobytes() for image in images}) == len(images)


def test_images_use_the_whole_range_of_grey(task):
    images = load_task(task).train.images
    assert (images.min(), images.max()) == (0, 255)
    assert (images == images[:, :1]).all()


@pytest.mark.parametrize("make", [demo.digits, demo.location, demo.orientation])
def test_made_twice_is_the_same(make):
    assert make().fingerprint == make().fingerprint


def test_load_task_keeps_what_it_made(task):
    assert load_task(task) is load_task(task)


def test_unknown_task_lists_the_known():
    with pytest.raises(ValueError, match=r"demo/moves; known: demo/digits, .*demo/orientation"):
        load_task(replace(TASKS[0], name="moves"))


def test_labels_beyond_the_task_are_refused():
    with pytest.raises(ValueError, match=r"demo/digits train: .* 0 to 4, got 0 to 9"):
        load_task(replace(DEMO_TASKS["digits"], num_classes=5))


def test_location_label_is_the_column_of_the_centre():
    for split in splits(DEMO_TASKS["location"]).values():
        x = np.array([intensity_centre_px(image[0])[0] for image in split.images.astype(float)])
        np.testing.assert_array_equal((x - 4.0) // 1.5, split.labels)


@pytest.mark.parametrize("shape", sprites.SHAPES)
def test_sprite_is_centred_where_asked(shape):
    image = draw_one(shape, (10.3, 20.6), turn_deg=20.0)
    assert intensity_centre_px(image) == pytest.approx((10.3, 20.6), abs=0.05)


def test_square_has_its_area():
    # half a diagonal of 6 px: two triangles of 12 x 6 / 2 square pixels each
    assert draw_one("square").sum() / 255 == pytest.approx(72, rel=0.02)


@pytest.mark.parametrize("shape", demo.ORIENTATION_SHAPES)
def test_four_labels_turn_a_sprite_by_a_quarter(shape):
    turned = draw_one(shape, turn_deg=4 * demo.TURN_DEG)
    np.testing.assert_array_equal(turned, np.rot90(draw_one(shape)))


@pytest.mark.parametrize("shape", demo.ORIENTATION_SHAPES)
def test_neighbouring_labels_look_different(shape):
    turns = [draw_one(shape, turn_deg=label * demo.TURN_DEG) for label in range(16)]
    differences = [abs(a - b).sum() / 255 for i, a in enumerate(turns) for b in turns[:i]]
    assert min(differences) > 4  # pixels, of the about 40 to 90 a sprite covers


def test_arrow_points_up_at_label_0_and_left_at_label_4():
    up = draw_one("arrow", radius_px=8)
    assert up[:15].any(axis=0).sum() > up[18:].any(axis=0).sum()  # the head is wider
    left = draw_one("arrow", radius_px=8, turn_deg=90)
    assert left[:, :15].any(axis=1).sum() > left[:, 18:].any(axis=1).sum()


def test_unknown_shape_lists_the_known():
    with pytest.raises(ValueError, match="'star'; known: ellipse, square, heart"):
        draw_one("star")


def test_bilinear_weights_by_hand():
    # centres of 4 pixels over 2: a quarter, three quarters, ... of the way, edges extended
    np.testing.assert_allclose(
        demo.bilinear_weights(2, 4), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    )
