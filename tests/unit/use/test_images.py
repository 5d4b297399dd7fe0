"""The images of a folder: all of them, in order, and none from outside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sa2vp.data.errors import UnreadableImageError
from sa2vp.data.images.decode import Resizing
from sa2vp.use.errors import UseError
from sa2vp.use.images import EvaluationInput, find_images


def make_image(path: Path, colour: tuple[int, ...] = (10, 20, 30), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (3, 2), colour).save(path)
    return path


def test_folders_below_are_searched_and_paths_are_sorted(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.JPG", "a/b/y.jpeg", "a.webp", "Z.bmp"):
        make_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    found = find_images(tmp_path)
    assert found.paths == ["Z.bmp", "a.webp", "a/b/y.jpeg", "a/z.JPG", "b.png"]
    assert found.skipped == {}


def test_every_format_is_found_by_its_suffix(tmp_path: Path) -> None:
    names = ["a.gif", "b.PBM", "c.pnm", "d.tiff", "e.pgm", "f.ppm"]
    for name in names:
        Image.new("1", (3, 2)).save(tmp_path / name)
    assert find_images(tmp_path).paths == names


def test_nothing_outside_the_folder_is_reached(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    secret = make_image(outside / "secret.png")
    own = make_image(inside / "own.png")
    (inside / "same.png").symlink_to(own)
    (inside / "linked.png").symlink_to(secret)
    (inside / "up.png").symlink_to("../outside/secret.png")
    (inside / "elsewhere").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "gone.png").symlink_to(inside / "none.png")
    (inside / "round.png").symlink_to(inside / "round.png")
    os.mkfifo(inside / "pipe.png")
    found = find_images(inside)
    assert found.paths == ["own.png", "same.png"]
    assert found.skipped == {
        "elsewhere": "a link that leads out of the folder",
        "gone.png": "a link that leads nowhere",
        "linked.png": "a link that leads out of the folder",
        "pipe.png": "no regular file",
        "round.png": "a link that leads nowhere",
        "up.png": "a link that leads out of the folder",
    }


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    make_image(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert find_images(tmp_path / "link").paths == ["a.png"]


def test_a_name_that_no_table_can_hold_is_left_out(tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    assert list(find_images(tmp_path).skipped.values()) == ["its name is not UTF-8"]


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UseError, match=r"no image in it; images end in \.jpg, .*\.png"):
        find_images(tmp_path)
    with pytest.raises(UseError, match="no such folder"):
        find_images(tmp_path / "none")


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (0, 51, 255), [-1, -0.6, 1]),
        ("L", 51, [-0.6, -0.6, -0.6]),
        ("RGBA", (0, 51, 255, 0), [-1, -0.6, 1]),
    ],
)
def test_every_kind_of_image_becomes_normalised_rgb(
    tmp_path: Path, mode: str, colour: tuple[int, ...], expected: list[float]
) -> None:
    prepared = EvaluationInput(Resizing(4, "resize"))(make_image(tmp_path / "a.png", colour, mode))
    assert prepared.shape == (1, 3, 4, 4)
    assert prepared[0, :, 1, 2].tolist() == pytest.approx(expected)


def test_the_centre_is_cropped_where_the_run_does_so(tmp_path: Path) -> None:
    columns = np.tile(np.arange(16, dtype=np.uint8), (8, 1))  # already 8 pixels high: not resized
    Image.fromarray(columns).save(tmp_path / "a.png")
    prepared = EvaluationInput(Resizing(7, "crop"))(tmp_path / "a.png")
    # Of 9 columns that are left out, 4 are on the left: half of 9, rounded to even.
    assert (prepared[0, 0, 0] * 127.5 + 127.5).round().tolist() == [4, 5, 6, 7, 8, 9, 10]


def test_what_cannot_be_decoded_whole_is_unreadable(tmp_path: Path) -> None:
    noise = torch.randint(256, (50, 50, 3), dtype=torch.uint8).numpy()
    path = tmp_path / "a.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:4000])
    prepare = EvaluationInput(Resizing(4, "resize"))
    with pytest.raises(UnreadableImageError, match="truncated"):
        prepare(path)
    path.write_text("no image")
    with pytest.raises(UnreadableImageError, match="no image of a known format"):
        prepare(path)
