"""Decoded images: the pixels that torchvision gives, or one line that says what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from photos import MODES, SIZES, photo, save_photos, truncate
from PIL import Image
from torchvision.transforms import Resize

from sa2vp.data.errors import UnreadableImageError, UnreadableImagesError
from sa2vp.data.images.decode import Resizing, decode, decode_and_digest, stored_size
from sa2vp.data.images.source import ArraySource, FolderSource

CROP = Resizing(32, "crop")  # the shorter side to 37: 32 * 8 / 7 = 36.6
RESIZE = Resizing(32, "resize")
TORCHVISION = {CROP: Resize(37), RESIZE: Resize((32, 32))}


def failure(folder: Path, name: str) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        decode(FolderSource(folder), name, CROP)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("resizing", [CROP, RESIZE], ids=["crop", "resize"])
def test_pixels_are_torchvisions(tmp_path: Path, resizing: Resizing) -> None:
    names = save_photos(tmp_path)
    assert len(names) == len(SIZES) * len(MODES)
    for name in names:
        with Image.open(tmp_path / name) as image:
            expected = np.asarray(TORCHVISION[resizing](image.convert("RGB")))
        source = FolderSource(tmp_path)
        np.testing.assert_array_equal(decode(source, name, resizing), expected, err_msg=name)
        pixels, _ = decode_and_digest(source, name, resizing)
        np.testing.assert_array_equal(pixels, expected, err_msg=name)
        assert stored_size(source, name, resizing) == expected.shape[:2]


@pytest.mark.parametrize(("size", "short"), [(224, 256), (384, 439), (192, 219), (32, 37)])
def test_sizes_are_torchvisions(size: int, short: int) -> None:
    rng = np.random.default_rng(0)
    sides = [*rng.integers(1, 600, (300, 2)).tolist(), [1, 1], [1, 200], [short, short + 1]]
    for height, width in sides:
        resized = Resize(short)(Image.new("1", (width, height)))
        kept = Resizing(size, "crop").stored_size(height, width)
        assert kept == (resized.height, resized.width), (height, width)
        assert Resizing(size, "resize").stored_size(height, width) == (size, size)


def test_images_of_an_array_are_decoded_too() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 37, 40, 3), dtype=np.uint8)
    source = ArraySource({"train": images}, "")
    pixels, digest = decode_and_digest(source, "train#2", CROP)
    np.testing.assert_array_equal(pixels, images[2])  # is of that size already
    assert digest != decode_and_digest(source, "train#1", CROP)[1]


def test_the_digest_is_of_the_file(tmp_path: Path) -> None:
    save_photos(tmp_path, 1)
    digest = decode_and_digest(FolderSource(tmp_path), "000.jpg", CROP)[1]
    assert len(digest) == 32
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "000.jpg").read_bytes())
    assert decode_and_digest(FolderSource(tmp_path), "copy.jpg", CROP)[1] == digest
    with (tmp_path / "copy.jpg").open("ab") as file:
        file.write(b"x")  # after the image's end: the same pixels, another file
    assert decode_and_digest(FolderSource(tmp_path), "copy.jpg", CROP)[1] != digest


@pytest.mark.parametrize("name", MODES)
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    photo(60, 90).convert(MODES[name]).save(tmp_path / name)
    truncate(tmp_path / name)
    assert failure(tmp_path, name).startswith(f"{name}: ")


@pytest.mark.parametrize("name", MODES)
def test_damage_never_ends_in_another_way(tmp_path: Path, name: str) -> None:
    photo(30, 40).convert(MODES[name]).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    outcomes: set[object] = set()
    for _ in range(40):
        damaged = bytearray(whole[: rng.integers(len(whole) + 1)])
        for place in rng.integers(len(whole), size=3):
            if 64 <= place < len(damaged):  # the first bytes tell the size: may be a huge one
                damaged[place] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged)
        try:
            outcomes.add(decode(FolderSource(tmp_path), name, RESIZE).shape)
        except UnreadableImageError as error:
            outcomes.add("\n" in str(error))
    assert {False} <= outcomes <= {False, (32, 32, 3)}  # refused in one line, or decoded whole


def test_what_is_no_image_of_the_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "text.jpg").write_text("no image")
    (folder / "folder.jpg").mkdir()
    photo(20, 20).save(tmp_path / "outside.png")
    (folder / "link.png").symlink_to("../outside.png")
    assert failure(folder, "text.jpg").startswith("text.jpg: no image of a known format (JPEG, ")
    assert failure(folder, "folder.jpg") == "folder.jpg: no regular file"
    assert failure(folder, "none.jpg") == "none.jpg: No such file or directory"
    assert failure(folder, "link.png").startswith("link.png: outside of the folder")
    assert failure(folder, "../outside.png").startswith("../outside.png: outside of the folder")
    assert failure(folder, "nul\0.png").startswith(r"nul\x00.png: ")


def test_a_thin_image_that_would_grow_to_fill_the_memory_is_refused(tmp_path: Path) -> None:
    Image.new("1", (100_000, 1)).save(tmp_path / "thin.png")
    # 37 pixels high, it would be 3 700 000 wide
    told = "too large: resized it would have 37 x 3700000 pixels, 89,478,485 are allowed"
    assert failure(tmp_path, "thin.png") == f"thin.png: {told}"


def test_errors_pass_between_processes() -> None:
    one = pickle.loads(pickle.dumps(UnreadableImageError("a.jpg", "truncated")))  # noqa: S301
    assert (one.name, one.reason, str(one)) == ("a.jpg", "truncated", "a.jpg: truncated")
    reasons = {f"{i}.jpg": "truncated" for i in range(7)}
    many = pickle.loads(pickle.dumps(UnreadableImagesError(reasons)))  # noqa: S301
    assert many.reasons == reasons
    assert str(many) == (
        "7 images cannot be decoded; repair or replace: 0.jpg: truncated; 1.jpg: truncated; "
        "2.jpg: truncated; 3.jpg: truncated; 4.jpg: truncated; and 2 more"
    )
