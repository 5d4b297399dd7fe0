"""A cache: what it holds, by what it is known, and when it is made anew."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from photos import position_photo, save_photos, truncate
from PIL import Image

from sa2vp.data.errors import DataError, UnreadableImagesError
from sa2vp.data.images.cache import cache_folder, open_cache, plan_cache
from sa2vp.data.images.decode import Resizing, decode
from sa2vp.data.images.facts import examine
from sa2vp.data.images.source import ArraySource, FolderSource

CROP = Resizing(32, "crop")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_photos(tmp_path / "images")
    return tmp_path / "images"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, (seconds, seconds))


@pytest.mark.parametrize("kind", ["crop", "resize"])
def test_every_image_is_kept_as_decoded(tmp_path: Path, folder: Path, kind: str) -> None:
    source, names, resizing = FolderSource(folder), names_in(folder), Resizing(32, kind)
    done: list[None] = []
    cache = open_cache(source, names, resizing, tmp_path / "c", progress=lambda: done.append(None))
    assert len(cache) == len(done) == len(names)
    for row, name in enumerate(names):
        np.testing.assert_array_equal(cache.image(row), decode(source, name, resizing))


def test_the_size_is_told_before(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    position_photo(40, 44).save(folder / "a.png")
    position_photo(80, 40).save(folder / "b.png")
    source, names = FolderSource(folder), ["a.png", "b.png"]
    # The shorter side becomes 40: 40 x 44 and 80 x 40 pixels of 3 bytes
    assert plan_cache(source, names, Resizing(35, "crop")).missing_bytes == 3 * (1760 + 3200)
    assert plan_cache(source, names, Resizing(35, "resize")).missing_bytes == 2 * 3 * 35 * 35
    cache = open_cache(source, names, Resizing(35, "crop"), tmp_path / "cache")
    assert cache.pixels.nbytes == 3 * (1760 + 3200)
    assert [cache.image(row).shape for row in (0, 1)] == [(40, 44, 3), (80, 40, 3)]


def test_a_second_opening_decodes_nothing(tmp_path: Path, folder: Path) -> None:
    names = names_in(folder)
    first = open_cache(FolderSource(folder), names, CROP, tmp_path / "cache")
    done: list[None] = []
    second = open_cache(
        FolderSource(folder), names, CROP, tmp_path / "cache", lambda: done.append(None)
    )
    assert done == []
    np.testing.assert_array_equal(second.pixels, first.pixels)
    np.testing.assert_array_equal(second.digests, first.digests)


def test_nobody_can_write_into_a_cache(tmp_path: Path, folder: Path) -> None:
    cache = open_cache(FolderSource(folder), names_in(folder), CROP, tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        cache.image(0)[:] = 0


def test_whatever_the_pixels_depend_on_is_in_the_name(tmp_path: Path) -> None:
    names = save_photos(tmp_path / "images", 3)
    for name in names:
        set_time(tmp_path / "images" / name, 1_000_000_000)
    shutil.copytree(tmp_path / "images", tmp_path / "other")  # keeps the times

    def folder_of(images: str = "images", names: list[str] = names, size: int = 32) -> Path:
        return cache_folder(
            FolderSource(tmp_path / images), names, Resizing(size, "crop"), tmp_path
        )

    kept = folder_of()
    assert folder_of() == kept
    others = [folder_of("other"), folder_of(names=names[::-1]), folder_of(names=names[:2])]
    others += [folder_of(size=64)]
    others += [
        cache_folder(FolderSource(tmp_path / "images"), names, Resizing(32, "resize"), tmp_path)
    ]
    set_time(tmp_path / "images" / names[1], 1_000_000_001)
    others.append(folder_of())
    with (tmp_path / "images" / names[1]).open("ab") as file:
        file.write(b"x")
    set_time(tmp_path / "images" / names[1], 1_000_000_000)
    others.append(folder_of())
    assert len({kept, *others}) == 8


def test_a_changed_image_is_decoded_again(tmp_path: Path, folder: Path) -> None:
    names = names_in(folder)
    name = names.index("square-rgb.bmp")
    open_cache(FolderSource(folder), names, CROP, tmp_path / "cache")
    Image.new("RGB", (64, 64), (1, 2, 3)).save(folder / names[name])  # a file of the same size
    set_time(folder / names[name], 1_000_000_000)
    cache = open_cache(FolderSource(folder), names, CROP, tmp_path / "cache")
    assert (cache.image(name) == [1, 2, 3]).all()


def test_the_digests_are_those_of_the_files_wherever_they_lie(tmp_path: Path) -> None:
    names = save_photos(tmp_path / "images", 3)
    shutil.copytree(tmp_path / "images", tmp_path / "copy", copy_function=shutil.copyfile)

    def digests(folder: str, names: list[str] = names) -> list[str]:
        cache = open_cache(FolderSource(tmp_path / folder), names, CROP, tmp_path / "c")
        return [digest.tobytes().hex() for digest in cache.digests]

    files = [(tmp_path / "images" / name).read_bytes() for name in names]
    expected = [hashlib.sha256(file).hexdigest() for file in files]
    assert digests("images") == digests("copy") == expected
    assert digests("images", names[::-1]) == expected[::-1]


def test_arrays_are_kept_too(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 37, 37, 3), dtype=np.uint8)
    names = [f"test#{i}" for i in (3, 1)]
    cache = open_cache(ArraySource({"test": images}, "1"), names, CROP, tmp_path)
    np.testing.assert_array_equal(cache.image(0), images[3])
    np.testing.assert_array_equal(cache.image(1), images[1])
    other_order = open_cache(ArraySource({"test": images}, "1"), names[::-1], CROP, tmp_path)
    np.testing.assert_array_equal(other_order.image(0), images[1])
    changed = open_cache(ArraySource({"test": 255 - images}, "2"), names, CROP, tmp_path)
    np.testing.assert_array_equal(changed.image(1), 255 - images[1])


def test_the_users_cache_folder_is_the_default(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    open_cache(FolderSource(folder), names_in(folder), CROP)
    assert len(list((tmp_path / "home" / "sa2vp").glob("*/pixels.u8"))) == 1


@pytest.mark.parametrize("unknown", [True, False], ids=["raised", "left as it is"])
def test_without_a_home_folder_the_option_is_named(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, unknown: bool
) -> None:
    """As of a user whom the system does not know, with and without an answer of platformdirs."""

    def nowhere(_: str) -> Path:
        if unknown:
            raise RuntimeError("could not determine the home directory")
        return Path("~/.cache/sa2vp")

    monkeypatch.setattr("sa2vp.data.images.cache.user_cache_path", nowhere)
    monkeypatch.chdir(tmp_path)
    names = names_in(folder)
    for need in (
        lambda cache_dir: open_cache(FolderSource(folder), names, CROP, cache_dir),
        lambda cache_dir: examine(FolderSource(folder), names, cache_dir),
    ):
        with pytest.raises(DataError, match=r"^you have no home folder .* --cache-dir$"):
            need(None)
        assert len(need(tmp_path / "given")) == len(names)
    assert not (tmp_path / "~").exists()


def test_all_unreadable_images_are_reported_and_nothing_is_kept(tmp_path: Path) -> None:
    folder, cache_dir = tmp_path / "images", tmp_path / "cache"
    names = save_photos(folder, 12)
    for name in names[2:8]:
        truncate(folder / name)
    (folder / names[9]).write_text("no image")
    (folder / names[11]).unlink()
    bad = [*names[2:8], names[9], names[11]]
    with pytest.raises(UnreadableImagesError) as caught:
        open_cache(FolderSource(folder), names, CROP, cache_dir)
    assert list(caught.value.reasons) == bad
    assert caught.value.reasons[names[9]].startswith("no image of a known format (JPEG, ")
    assert caught.value.reasons[names[11]] == "No such file or directory"
    assert str(caught.value).startswith("8 images cannot be decoded; repair or replace: 002.jpg: ")
    assert str(caught.value).endswith("; and 3 more")
    assert "\n" not in str(caught.value)
    save_photos(folder, 12)
    truncate(folder / names[4])  # has a header, so that it is found while the cache is made
    with pytest.raises(UnreadableImagesError, match=r"^an image cannot .*: 004\.jpg: .*truncated"):
        open_cache(FolderSource(folder), names, CROP, cache_dir)
    assert [path for path in cache_dir.iterdir() if path.suffix != ".lock"] == []
    save_photos(folder, 12)
    assert len(open_cache(FolderSource(folder), names, CROP, cache_dir)) == 12


@pytest.mark.parametrize(
    "damage",
    ["pixels cut", "pixels gone", "index cut", "index empty", "digests cut", "digests of others"],
)
def test_a_damaged_cache_is_named_with_the_way_out(tmp_path: Path, damage: str) -> None:
    names = save_photos(tmp_path / "images", 3)
    source, cache_dir = FolderSource(tmp_path / "images"), tmp_path / "cache"
    open_cache(source, names, CROP, cache_dir)
    folder = cache_folder(source, names, CROP, cache_dir)
    what, _, how = damage.partition(" ")
    (file,) = folder.glob(f"{what}.*")
    {
        "cut": lambda: os.truncate(file, file.stat().st_size - 1),
        "gone": file.unlink,
        "empty": lambda: os.truncate(file, 0),
        "of others": lambda: np.save(file, np.zeros((2, 32), np.uint8)),
    }[how]()
    with pytest.raises(DataError, match=rf"^{folder}: damaged \(.*\); delete it") as caught:
        open_cache(source, names, CROP, cache_dir)
    assert "\n" not in str(caught.value)
    shutil.rmtree(folder)
    assert len(open_cache(source, names, CROP, cache_dir)) == 3
