"""The overlays: a PNG per image whose panels show the model's own prompts and fusions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import make_tiny_swin

from sa2vp.models import create_sa2vp
from sa2vp.use import load_exported
from sa2vp.use.attention_maps import focus
from sa2vp.use.explanation import explain
from sa2vp.use.export import Export

Command = Callable[..., int]


@pytest.fixture
def images(digits_images: Path, tmp_path: Path) -> list[Path]:
    names = ["plain.png", "costs $5, not $x_$.png"]
    return [
        Path(shutil.copy(file, tmp_path / name))
        for file, name in zip(sorted(digits_images.iterdir()), names, strict=False)
    ]


def test_every_image_gets_a_picture_and_stays_as_it_was(
    sa2vp: Command, model_file: Path, images: list[Path]
) -> None:
    before = [image.read_bytes() for image in images]
    folder = images[0].parent
    assert sa2vp("explain", *images, "--model", model_file, "--out", folder) == 0
    assert [image.read_bytes() for image in images] == before
    pictures = [folder / f"{image.stem}.overlay.png" for image in images]
    assert sorted(folder.iterdir()) == sorted([*images, *pictures])
    for picture in pictures:
        with Image.open(picture) as opened:
            opened.load()
            assert opened.format == "PNG"
            assert min(opened.size) > 500


def test_panels_show_the_norms_and_each_fusion_s_focus(
    digits_export: Export, model_file: Path
) -> None:
    model = load_exported(model_file)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    figure = explain(model, digits_export.card, "random", images)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    fusions = model.fusion_attention(images)
    assert list(panels)[2:] == [
        "fusion 0\nprompts adapt to the image",
        "fusion 1\nimage adapts to the prompts",
        "fusion 2\nprompts adapt to the image",
        "fusion 3\nimage adapts to the prompts",
        "fusion 4\nprompts adapt to the image",
    ]
    shown, norms, *maps = panels.values()
    assert np.allclose(shown.images[0].get_array(), images[0].permute(1, 2, 0) / 2 + 0.5)
    assert np.allclose(norms.images[-1].get_array(), model.prompt_norms())
    for panel, fusion in zip(maps, fusions, strict=True):
        assert np.allclose(panel.images[-1].get_array(), focus(fusion.weights[0]))
    label = model(images)[0].argmax().item()
    assert f"predicted by demo-digits-final-seed1: class {label}, " in figure.get_suptitle()


def test_a_swin_s_prompt_map_may_be_finer_than_its_fusions(digits_export: Export) -> None:
    model = create_sa2vp(make_tiny_swin(), num_classes=10).eval()
    figure = explain(model, digits_export.card, "random", torch.rand(1, 3, 24, 24))
    _, norms, *fusions = [axes for axes in figure.axes if axes.get_title()]
    assert norms.images[-1].get_array().shape == (12, 12)
    assert [panel.images[-1].get_array().shape for panel in fusions] == [(6, 6)] * 6


def test_unreadable_images_are_named_and_the_others_drawn(
    sa2vp: Command, model_file: Path, images: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    images[0].write_text("no image")
    out = images[0].parent / "new" / "overlays"
    assert sa2vp("explain", *images, "--model", model_file, "--out", out) == 1
    assert capsys.readouterr().err.startswith(f"no overlay: {images[0]}: no image of")
    assert [picture.name for picture in out.iterdir()] == [f"{images[1].stem}.overlay.png"]


def test_what_cannot_be_drawn_is_refused_before_any_work(
    sa2vp: Command, model_file: Path, images: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = images[0].parent
    twin = folder / "twin" / "plain.png"
    twin.parent.mkdir()
    shutil.copy(images[0], twin)
    for arguments, told in {
        (images[0], folder / "none.png", "--out", folder): "none.png: no such file",
        (images[0], twin, "--out", folder): "two images would be written to plain.overlay.png",
        (images[0], "--out", images[1]): "is no folder and cannot be made",
    }.items():
        assert sa2vp("explain", *arguments, "--model", model_file) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1
    assert list(folder.glob("*.overlay.png")) == []
