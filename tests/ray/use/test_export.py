"""Exported models: whole files that lead back to their run, and fit one backbone only."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import make_tiny_backbone, make_tiny_swin

from sa2vp.methods.linear import Linear
from sa2vp.models import Backbone, create_sa2vp, load_backbone
from sa2vp.models.fingerprint import fingerprint
from sa2vp.use import UseError, load_exported, read_card
from sa2vp.use.card import CARD_KEY
from sa2vp.use.export import Export, read_export

Command = Callable[..., int]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let every write beyond a file size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def with_card(path: Path, model_file: Path, **changes: Any) -> Path:
    """Copy an export with changes to its card; None takes a value out."""
    card = asdict(read_card(model_file)) | changes
    taken_out = {name for name, value in changes.items() if value is None}
    card = {name: value for name, value in card.items() if name not in taken_out}
    save_file(load_file(model_file), path, metadata={CARD_KEY: json.dumps(card)})
    return path


def test_what_is_written_is_read_again(digits_export: Export, model_file: Path) -> None:
    read = read_export(model_file)
    assert read.card == digits_export.card == read_card(model_file)
    assert read.arrays.keys() == digits_export.arrays.keys()
    assert all(torch.equal(a, digits_export.arrays[name]) for name, a in read.arrays.items())


def test_an_existing_file_is_kept_unless_it_may_be_replaced(
    sa2vp: Command, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.safetensors"
    export = ("export", "--results", results, "--run", "demo-digits-final-seed2", "--out", out)
    out.write_text("mine")
    assert sa2vp(*export) == 2
    assert "exists; choose another file, or replace it with --overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert sa2vp(*export, "--overwrite") == 0
    assert read_card(out).run_id == "demo-digits-final-seed2"
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_full_disk_leaves_no_half_file(digits_export: Export, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    with files_of_at_most(4096), pytest.raises(UseError, match="cannot be written"):
        digits_export.save(out)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_refused(digits_export: Export, tmp_path: Path) -> None:
    for path, told in {
        tmp_path / "model.pt": r"must end in \.safetensors",
        tmp_path / "none" / "model.safetensors": "there is no folder",
        tmp_path: "must end in",
    }.items():
        with pytest.raises(UseError, match=told):
            digits_export.save(path)
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(UseError, match="is a folder"):
        digits_export.save(tmp_path / "folder.safetensors", overwrite=True)


def test_the_card_is_shown(
    sa2vp: Command, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sa2vp("card", model_file) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line)
    assert shown["run_id"].strip() == "demo-digits-final-seed1"
    assert shown["inter_weight"].strip() == "0.5"
    assert shown["backbone_fingerprint"].strip() == fingerprint(load_backbone("demo"))
    assert shown["test_top1"].strip() == f"{read_card(model_file).test_top1:.2f} %"


def test_foreign_and_damaged_files_are_refused(model_file: Path, tmp_path: Path) -> None:
    whole = model_file.read_bytes()
    half, foreign, text = (tmp_path / name for name in ("half", "foreign", "text"))
    half.write_bytes(whole[:-100])
    save_file(load_file(model_file), foreign)
    text.write_text("no model")
    for path, told in {
        tmp_path / "none": "no such file",
        half: "not a whole safetensors file",
        text: "not a whole safetensors file",
        foreign: "no model of this project",
    }.items():
        with pytest.raises(UseError, match=f"{path}: {told}"):
            load_exported(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema_version": 2}, "its card has schema version 2, and this project reads 1"),
        ({"schema_version": None}, "its card is damaged"),
        ({"backbone": None}, "its card is damaged: backbone: Field required"),
        ({"num_classes": "ten"}, "its card is damaged: num_classes"),
        ({"class_names": ["cat"]}, "its card is damaged: Value error, 10 classes, 1 names"),
        ({"hyperparameters": {}}, "its card is damaged: Value error, lacks inter_dim"),
        ({"num_classes": 11}, r"its card does not fit its arrays: head\.\w+ has shape \(10"),
    ],
)
def test_cards_that_cannot_be_used_are_refused(
    model_file: Path, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = with_card(tmp_path / "model.safetensors", model_file, **changes)
    with pytest.raises(UseError, match=f"{path}: {told}"):
        load_exported(path)


def test_a_fusion_that_is_not_known_is_told(model_file: Path, tmp_path: Path) -> None:
    values = read_card(model_file).hyperparameters | {"fusion": "mean"}
    path = with_card(tmp_path / "model.safetensors", model_file, hyperparameters=values)
    with pytest.raises(UseError, match="fusion must be 'exact' or 'acc', got 'mean'"):
        load_exported(path)


def test_another_backbone_is_refused_and_both_are_named(model_file: Path) -> None:
    trained = load_backbone("demo")
    other = load_backbone("demo")
    with torch.no_grad():
        other.cls_token[0, 0, 0] += 1e-6
    with pytest.raises(UseError) as refused:
        load_exported(model_file, other)
    assert f"backbone demo with fingerprint {fingerprint(trained)}" in str(refused.value)
    assert f"not on VisionTransformer with fingerprint {fingerprint(other)}" in str(refused.value)
    with pytest.raises(UseError, match="leave it out"):
        load_exported(model_file, trained, checkpoint="weights.npz")


def test_a_loaded_backbone_and_its_name_give_the_same_model(model_file: Path) -> None:
    state = torch.get_rng_state()
    by_name = load_exported(model_file)
    given = load_exported(model_file, load_backbone("demo"))
    assert torch.equal(torch.get_rng_state(), state)
    assert not by_name.training
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(by_name(images)[0], given(images)[0])


@pytest.mark.parametrize(
    ("make", "fusion"),
    [(make_tiny_backbone, "exact"), (make_tiny_backbone, "acc"), (make_tiny_swin, "exact")],
)
def test_every_kind_of_model_comes_back_as_it_was(
    digits_export: Export, tmp_path: Path, make: Any, fusion: str
) -> None:
    backbone: Backbone = make()
    model = create_sa2vp(backbone, num_classes=3, inter_dim=4, inter_weight=1.5, fusion=fusion)
    with torch.no_grad():
        for array in model.trainable_state_dict().values():
            array.add_(torch.randn(array.shape))
    own = {"inter_dim": 4, "inter_weight": 1.5, "dropout": 0.1, "fusion": fusion}
    card = replace(
        digits_export.card,
        num_classes=3,
        hyperparameters=digits_export.card.hyperparameters | own,
        backbone_fingerprint=fingerprint(backbone),
    )
    path = tmp_path / "tiny.safetensors"
    Export(card, model.trainable_state_dict(), "tiny").save(path)
    images = torch.rand(2, 3, *backbone.patch_embed.img_size)
    assert torch.equal(load_exported(path, make())(images)[0], model.eval()(images)[0])


def test_a_linear_probe_comes_back_and_has_nothing_to_explain(
    sa2vp: Command, digits_export: Export, digits_images: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    backbone = load_backbone("demo")
    model = Linear().build(backbone, 10)
    card = replace(
        digits_export.card, method="linear", hyperparameters={"lr": 0.1, "batch_size": 20}
    )
    path = tmp_path / "linear.safetensors"
    Export(card, model.trainable_state_dict(), "linear").save(path)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(load_exported(path)(images), model.eval()(images))
    out = tmp_path / "p.csv"
    assert sa2vp("predict", digits_images, "--model", path, "--out", out) == 0
    image = next(digits_images.iterdir())
    capsys.readouterr()
    assert sa2vp("explain", image, "--model", path, "--out", tmp_path) == 2
    assert "of method linear; only SA2VP has fusions to draw" in capsys.readouterr().err
