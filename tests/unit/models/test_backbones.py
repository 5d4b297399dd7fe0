"""Which backbones are taken, from which files, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import closed_form
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import SwiGLUPacked
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from sa2vp.models import BackboneError, create_sa2vp, load_backbone

SMALL_VIT = "vit_tiny_patch16_224"
SMALL_SWIN = "swin_tiny_patch4_window7_224"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write timm's own state dicts, with a classification head, as users download them."""
    folder = tmp_path_factory.mktemp("weights")
    written = {}
    for name in (SMALL_VIT, SMALL_SWIN):
        torch.manual_seed(1)
        state = timm.create_model(name, num_classes=3).state_dict()
        written[f"{name}.pth"] = folder / f"{name}.pth"
        torch.save(state, written[f"{name}.pth"])
        written[f"{name}.safetensors"] = folder / f"{name}.safetensors"
        save_file(state, written[f"{name}.safetensors"])
    return written


@pytest.mark.parametrize("name", [SMALL_VIT, SMALL_SWIN])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_timm_state_dicts_are_loaded_whole(files: dict[str, Path], name: str, suffix: str) -> None:
    torch.manual_seed(1)
    original = timm.create_model(name, num_classes=3).eval()
    backbone = load_backbone(name, files[f"{name}.{suffix}"])
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = original.forward_features(images)
        torch.testing.assert_close(backbone.forward_features(images), expected)
    assert not backbone.training


@pytest.mark.parametrize(
    ("name", "image_size", "grid", "window"),
    [
        (SMALL_VIT, 96, 6, None),
        ("vit_small_patch32_224", 224, 7, None),
        (SMALL_SWIN, 384, 96, 12),  # windows keep their share of the map: 12 of 96, 7 of 56
        ("swin_small_patch4_window7_224", 192, 48, 6),
    ],
)
def test_other_sizes_and_image_sizes_make_a_model(
    name: str, image_size: int, grid: int, window: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model(name, num_classes=0).state_dict(), path)
    backbone = load_backbone(name, path, image_size)
    assert tuple(backbone.patch_embed.grid_size) == (grid, grid)
    if window is not None:
        assert backbone.layers[0].blocks[0].window_size == (window, window)
    model = create_sa2vp(backbone, num_classes=2).eval()
    with torch.no_grad():
        image_logits, _ = model(torch.randn(1, 3, image_size, image_size))
    assert image_logits.isfinite().all()


def test_position_embeddings_are_resampled_not_cut(tmp_path: Path) -> None:
    original = timm.create_model(SMALL_VIT, num_classes=0)
    with torch.no_grad():  # a position embedding that rises from left to right
        ramp = torch.linspace(0, 1, 14).repeat(14).view(1, 196, 1)
        original.pos_embed[:, 1:] = ramp
    torch.save(original.state_dict(), tmp_path / "weights.pth")
    rows = load_backbone(SMALL_VIT, tmp_path / "weights.pth", 112).pos_embed[0, 1:, 0].view(7, 7)
    assert (rows[:, 1:] > rows[:, :-1]).all()
    torch.testing.assert_close(rows, rows[:1].expand(7, 7))
    assert rows[0, 3].item() == pytest.approx(0.5, abs=1e-3)


def test_the_demo_takes_other_image_sizes() -> None:
    backbone = load_backbone("demo", image_size=48)
    assert backbone.patch_embed.grid_size == (12, 12)
    assert backbone.forward_features(torch.zeros(1, 3, 48, 48)).shape == (1, 145, 96)


def test_loading_leaves_the_random_generator_as_it_was(files: dict[str, Path]) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_backbone("demo")
    load_backbone(SMALL_VIT, files[f"{SMALL_VIT}.pth"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [SMALL_VIT, SMALL_SWIN])
def test_missing_unexpected_and_misshapen_arrays_are_named(
    files: dict[str, Path], name: str, tmp_path: Path
) -> None:
    state = torch.load(files[f"{name}.pth"], weights_only=True)
    path = tmp_path / "weights.pth"
    torch.save({k: v for k, v in state.items() if k != "norm.weight"}, path)
    with pytest.raises(BackboneError, match=r"weights\.pth: not the weights .*: missing norm\.w"):
        load_backbone(name, path)
    torch.save(state | {"lora.weight": torch.zeros(1)}, path)
    with pytest.raises(BackboneError, match=r": unexpected lora\.weight$"):
        load_backbone(name, path)
    torch.save(state | {"norm.weight": torch.zeros(7)}, path)
    with pytest.raises(BackboneError, match=r": norm\.weight \(7,\), expected \(\d+,\)$"):
        load_backbone(name, path)


def test_a_jax_file_is_refused_with_the_names_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    arrays = closed_form.vit_b16_npz()
    del arrays["Transformer/encoder_norm/bias"]
    np.savez(path, **arrays, extra=np.zeros(1))
    with pytest.raises(
        BackboneError, match=r"missing Transformer/encoder_norm/bias; unexpected extra$"
    ):
        load_backbone("vit-b16", path)
    np.savez(path, something=np.zeros(3))
    with pytest.raises(BackboneError, match=r"missing Transformer/.* and \d+ more; unexpected som"):
        load_backbone(SMALL_VIT, path)
    with pytest.raises(BackboneError, match=r"is no ViT; give its weights as \.pth"):
        load_backbone(SMALL_SWIN, path)


def test_damaged_files_and_pickled_code_are_refused(tmp_path: Path) -> None:
    for name in ("weights.pth", "weights.safetensors", "weights.npz"):
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(BackboneError, match=rf"{name}: not the weights of {SMALL_VIT}: "):
            load_backbone(SMALL_VIT, tmp_path / name)
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "code.pth")  # an object, not arrays
    with pytest.raises(BackboneError, match=r"code\.pth: not the weights .*weights_only=True"):
        load_backbone(SMALL_VIT, tmp_path / "code.pth")


def test_files_that_are_not_there_or_end_otherwise_are_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"missing\.npz: no such file"):
        load_backbone(SMALL_VIT, tmp_path / "missing.npz")
    with pytest.raises(BackboneError, match=r"weights\.txt: expected a file ending in \.npz, \.pt"):
        load_backbone(SMALL_VIT, tmp_path / "weights.txt")


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"img_size": (16, 24)}, "square patch grid .it has 4x6"),
        ({"class_token": False, "global_pool": "avg"}, "class token"),
        ({"reg_tokens": 4}, "no register tokens"),
        ({"global_pool": "avg"}, "final norm before pooling"),
        ({"depth": 2}, "at least 3 blocks"),
        ({"pos_embed": "none"}, "position embeddings"),
        ({"dynamic_img_size": True}, "position embeddings of fixed size"),
        ({"mlp_layer": SwiGLUPacked}, "plain Mlp"),
    ],
)
def test_unsuitable_vits_are_refused(overrides: dict[str, Any], reason: str) -> None:
    with pytest.raises(BackboneError, match=reason):
        create_sa2vp(VisionTransformer(**({"img_size": 16, "patch_size": 4} | overrides)))


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"img_size": (32, 64)}, "square patch grid .it has 8x16"),
        ({"depths": (2, 2)}, "at least 3 blocks in its deepest stage"),
        ({"strict_img_size": False}, "a fixed input size"),
        ({"window_size": 3}, "windows that tile .*3x3 windows on 8x8 tokens.*another image size"),
    ],
)
def test_unsuitable_swins_are_refused(overrides: dict[str, Any], reason: str) -> None:
    plain = {"img_size": 32, "embed_dim": 8, "depths": (1, 3), "num_heads": (1, 2)}
    with pytest.raises(BackboneError, match=reason):
        create_sa2vp(SwinTransformer(**(plain | {"window_size": 4} | overrides)))


def test_another_architecture_is_refused() -> None:
    with pytest.raises(BackboneError, match="not a timm VisionTransformer or SwinTransformer"):
        create_sa2vp(timm.create_model("resnet10t"))


@pytest.mark.parametrize(
    ("name", "image_size", "reason"),
    [
        (SMALL_SWIN, 240, r"windows that tile .*8x8 windows on 60x60 tokens"),
        (SMALL_SWIN, 0, "image size must be 1 or more, got 0"),
        ("resnet10t", None, "is a ResNet, not a timm VisionTransformer"),
    ],
)
def test_what_cannot_be_aligned_is_refused_before_weights_are_fetched(
    name: str, image_size: int | None, reason: str
) -> None:
    with pytest.raises(BackboneError, match=reason):
        load_backbone(name, image_size=image_size)


def test_a_hub_that_does_not_answer_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody there
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nonexistent")
    with pytest.raises(BackboneError, match=r"fetched from timm's hub .*; give them as a file"):
        load_backbone(SMALL_VIT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fusion": "fast"}, "unknown fusion 'fast'; known: exact, acc"),
        ({"inter_dim": 0}, "must be 1 or more"),
        ({"num_classes": -1}, "must be 1 or more"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"drop_path": 1.0}, "drop_path must be at least 0 and below 1"),
        ({"drop_path": 0.2, "backbone": "demo"}, "a ViT has no stochastic depth"),
        ({"backbone": "vit-b61"}, "unknown backbone 'vit-b61'; known: demo, vit-b16, swin-b"),
    ],
)
def test_bad_arguments_name_what_is_allowed(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_sa2vp(**arguments)


def test_the_acc_fusion_is_refused_on_a_swin() -> None:
    swin = SwinTransformer(
        img_size=32, window_size=4, embed_dim=8, depths=(1, 3), num_heads=(1, 2), num_classes=0
    )
    with pytest.raises(ValueError, match="fusion 'acc' was published for ViT alone"):
        create_sa2vp(swin, fusion="acc")
