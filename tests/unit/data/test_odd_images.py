"""Odd and hostile images: one line, or the first frame's pixels, wherever they are read."""

from __future__ import annotations

import contextlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from odd_images import DECODED, EPS, NO_FILES, REFUSED, saved, tiff
from PIL import EpsImagePlugin, Image

from sa2vp.data.errors import UnreadableImageError, UnreadableImagesError
from sa2vp.data.images.cache import open_cache
from sa2vp.data.images.decode import Resizing, decode
from sa2vp.data.images.facts import examine
from sa2vp.data.images.source import FolderSource
from sa2vp.data.images.stream import StreamedImages
from sa2vp.use.images import EvaluationInput
from sa2vp.use.prediction import read_batches

RESIZE = Resizing(8, "resize")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def reasons_of_check(folder: Path, names: list[str]) -> dict[str, str]:
    facts = examine(FolderSource(folder), names, folder.with_name("memory"))
    return {name: fact.damage for name, fact in facts.items()}


def reasons_of_cache(folder: Path, names: list[str]) -> dict[str, str]:
    with pytest.raises(UnreadableImagesError) as refused:
        open_cache(FolderSource(folder), names, RESIZE, folder.with_name("cache"))
    assert str(refused.value).isprintable()
    return refused.value.reasons


def reasons_of_streaming(folder: Path, names: list[str]) -> dict[str, str]:
    targets = torch.zeros(len(names), dtype=torch.int64)
    images = StreamedImages(FolderSource(folder), names, targets, RESIZE, False, workers=0)
    reasons = {}
    for number, name in enumerate(names):
        with pytest.raises(UnreadableImageError) as refused:
            list(images.load([torch.tensor([number])]))
        assert str(refused.value).isprintable()
        reasons[name] = refused.value.reason
    return reasons


def reasons_of_prediction(folder: Path, names: list[str]) -> dict[str, str]:
    (batch,) = read_batches(folder, names, EvaluationInput(RESIZE), len(names))
    return batch.unreadable


def test_each_is_refused_in_one_line_wherever_it_is_read(folder: Path) -> None:
    for name, (content, _) in REFUSED.items():
        (folder / name).write_bytes(content)
    for name, (make, _) in NO_FILES.items():
        make(folder / name)
    expected = {name: told for name, (_, told) in (REFUSED | NO_FILES).items()}
    reasons = reasons_of_check(folder, list(expected))
    for name, told in expected.items():
        assert told in reasons[name], name
        assert reasons[name].isprintable(), name
    for read in (reasons_of_cache, reasons_of_streaming, reasons_of_prediction):
        assert read(folder, list(expected)) == reasons


def test_the_others_are_read_as_their_first_frame(folder: Path) -> None:
    for name, (content, _) in DECODED.items():
        (folder / name).write_bytes(content)
    source = FolderSource(folder)
    assert set(reasons_of_check(folder, list(DECODED)).values()) == {""}
    cache = open_cache(source, list(DECODED), RESIZE, folder.with_name("cache"))
    for row, (name, (_, colour)) in enumerate(DECODED.items()):
        expected = np.full((8, 8, 3), colour, np.uint8)
        np.testing.assert_array_equal(decode(source, name, RESIZE), expected, err_msg=name)
        np.testing.assert_array_equal(cache.image(row), expected, err_msg=name)


def test_no_other_program_is_started(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gs"
    program.write_text(f"#!/bin/sh\n: > {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    (folder / "a.jpg").write_bytes(EPS)
    with contextlib.suppress(OSError), Image.open(folder / "a.jpg") as image:
        image.load()
    assert started.exists()  # so Pillow would, left to itself
    started.unlink()
    for read in (reasons_of_check, reasons_of_cache, reasons_of_streaming, reasons_of_prediction):
        assert list(read(folder, ["a.jpg"])) == ["a.jpg"]
    assert not started.exists()


RAMP = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
"""A row for each value of 8 bits."""


def big_endian_tiff() -> bytes:
    file = BytesIO()
    Image.fromarray(RAMP.astype(">u2")).save(file, "TIFF")
    assert file.getvalue().startswith(b"MM")
    return file.getvalue()


SIXTEEN_BITS = {
    "a.png": saved(Image.fromarray(RAMP), "PNG"),
    "a.tif": saved(Image.fromarray(RAMP), "TIFF"),
    "big-endian.tif": big_endian_tiff(),
    "a.pgm": b"P5 256 256 65535\n" + RAMP.astype(">u2").tobytes(),
}


@pytest.mark.parametrize("name", SIXTEEN_BITS)
def test_grey_of_16_bits_is_scaled(folder: Path, name: str) -> None:
    (folder / name).write_bytes(SIXTEEN_BITS[name])
    pixels = decode(FolderSource(folder), name, Resizing(256, "resize"))
    rows = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pixels, np.broadcast_to(rows[:, None, None], (256, 256, 3)))


def test_grey_of_16_bits_is_colour_of_16_bits(folder: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 2**16, (8, 8), dtype=np.uint16)
    (folder / "grey.pgm").write_bytes(b"P5 8 8 65535\n" + grey.astype(">u2").tobytes())
    (folder / "grey.png").write_bytes(saved(Image.fromarray(grey), "PNG"))
    colour = tiff(np.repeat(grey, 3).tobytes(), t256=8, t257=8, t262=2, t277=3, t278=8)
    (folder / "colour.tif").write_bytes(colour)
    source = FolderSource(folder)
    expected = decode(source, "colour.tif", RESIZE)
    for name in ("grey.pgm", "grey.png"):
        np.testing.assert_array_equal(decode(source, name, RESIZE), expected, err_msg=name)


def test_what_a_camera_was_turned_by_is_left_out(folder: Path) -> None:
    image = Image.new("RGB", (8, 8))
    image.paste((255, 255, 255), (0, 0, 4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    (folder / "a.png").write_bytes(saved(image, "PNG", exif=exif))
    np.testing.assert_array_equal(decode(FolderSource(folder), "a.png", RESIZE), np.asarray(image))
