"""SA2VP on small random ViTs: the plain oracle, alignment, freezing, gradients, refusals."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import oracle
import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from tiny import make_tiny_backbone

from sa2vp.models import BackboneError, create_sa2vp, load_backbone
from sa2vp.models.alignment import aligned_mask
from sa2vp.training.objective import sa2vp_loss
from sa2vp.training.optimizer import build_adamw


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Move every learned array away from its small initial value, so that each one matters."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize(
    "shape",
    [
        {"img_size": 4, "depth": 3},  # one patch: no neighbour but itself
        {"img_size": 8, "depth": 4},  # 2x2: corners only
        {"img_size": 12, "depth": 5},  # 3x3: one inner patch
        {"img_size": 20, "depth": 6},  # 5x5
        {"img_size": 28, "depth": 7, "num_heads": 2},  # 7x7, depth not divisible by three
    ],
)
def test_agrees_with_the_plain_oracle(shape: dict[str, int]) -> None:
    backbone = make_tiny_backbone(**shape)
    model = randomised(create_sa2vp(backbone, num_classes=5, inter_dim=4, inter_weight=0.7)).eval()
    images = torch.randn(3, 3, shape["img_size"], shape["img_size"])
    expected = oracle.forward_features(model, images)
    for actual, plain in zip(model.forward_features(images), expected, strict=True):
        torch.testing.assert_close(actual, plain, rtol=1e-4, atol=1e-5)

    model.zero_grad()
    sum(features.square().sum() for features in model.forward_features(images)).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    sum(features.square().sum() for features in expected).backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-3, atol=1e-4)


def test_training_without_dropout_equals_evaluation() -> None:
    model = randomised(create_sa2vp(make_tiny_backbone(), dropout=0.0))
    images = torch.randn(2, 3, 16, 16)
    for trained, evaluated in zip(model.train()(images), model.eval()(images), strict=True):
        torch.testing.assert_close(trained, evaluated)


def test_dropout_differs_between_images_while_training() -> None:
    model = randomised(create_sa2vp(make_tiny_backbone(), dropout=0.1))
    same = torch.randn(1, 3, 16, 16).expand(2, -1, -1, -1)
    for logits in model.train()(same):
        assert not torch.equal(logits[0], logits[1])
    for logits in model.eval()(same):
        torch.testing.assert_close(logits[0], logits[1])


@pytest.mark.parametrize(("row", "column", "seen"), [(0, 0, 4), (0, 3, 6), (2, 3, 9), (13, 13, 4)])
def test_patches_see_4_6_or_9_neighbours(row: int, column: int, seen: int) -> None:
    mask = aligned_mask(14)
    token = 1 + row * 14 + column
    assert mask[token].sum() == seen
    assert mask[token, token]
    assert not mask[token, 0]
    assert mask[0].all()


def test_a_step_changes_every_learned_array_and_nothing_frozen() -> None:
    model = randomised(create_sa2vp(make_tiny_backbone(), num_classes=4))
    before = copy.deepcopy(model.state_dict())
    learned = model.trainable_state_dict().keys()
    optimizer = build_adamw(model, lr=1e-2, weight_decay=1e-4)
    loss = sa2vp_loss(model.train()(torch.randn(4, 3, 16, 16)), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    optimizer.step()
    for name, array in model.state_dict().items():
        assert torch.equal(array, before[name]) == (name not in learned), name


def test_learned_arrays_survive_a_round_trip() -> None:
    source = randomised(create_sa2vp(make_tiny_backbone())).eval()
    target = create_sa2vp(make_tiny_backbone()).eval()
    target.load_trainable_state_dict(source.trainable_state_dict())
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(source(images)[0], target(images)[0])


def test_a_seed_decides_the_learned_arrays_whether_or_not_the_backbone_is_loaded_with_them() -> (
    None
):
    torch.manual_seed(3)
    named = create_sa2vp("demo").trainable_state_dict()
    backbone = load_backbone("demo")
    torch.manual_seed(3)
    given = create_sa2vp(backbone).trainable_state_dict()
    for name, array in named.items():
        assert torch.equal(array, given[name]), name


def test_learned_arrays_that_do_not_fit_are_refused_whole() -> None:
    model = create_sa2vp(make_tiny_backbone(), inter_dim=8)
    arrays = {name: array + 1 for name, array in model.trainable_state_dict().items()}
    before = copy.deepcopy(model.trainable_state_dict())
    with pytest.raises(ValueError, match=r"missing learned arrays: prompt$"):
        model.load_trainable_state_dict({k: v for k, v in arrays.items() if k != "prompt"})
    with pytest.raises(ValueError, match="unknown learned arrays: extra"):
        model.load_trainable_state_dict(arrays | {"extra": arrays["prompt"]})
    wider = create_sa2vp(make_tiny_backbone(), inter_dim=16).trainable_state_dict()
    with pytest.raises(ValueError, match=r"has shape .*16.*, expected"):
        model.load_trainable_state_dict(wider)
    for name, array in model.trainable_state_dict().items():
        assert torch.equal(array, before[name])


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"img_size": (16, 24)}, "square patch grid .it has 4x6"),
        ({"class_token": False, "global_pool": "avg"}, "class token"),
        ({"reg_tokens": 4}, "no register tokens"),
        ({"global_pool": "avg"}, "final norm before pooling"),
        ({"depth": 2}, "at least 3 blocks"),
        ({"pos_embed": "none"}, "position embeddings"),
    ],
)
def test_unsuitable_backbones_are_refused(overrides: dict[str, object], reason: str) -> None:
    with pytest.raises(BackboneError, match=reason):
        create_sa2vp(VisionTransformer(**({"img_size": 16, "patch_size": 4} | overrides)))


def test_another_architecture_is_refused() -> None:
    with pytest.raises(BackboneError, match="not a timm VisionTransformer"):
        create_sa2vp(timm.create_model("resnet10t"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fusion": "fast"}, "unknown fusion 'fast'; known: exact"),
        ({"inter_dim": 0}, "must be 1 or more"),
        ({"num_classes": -1}, "must be 1 or more"),
        ({"dropout": 1.0}, "below 1"),
        ({"backbone": "vit-b61"}, "unknown backbone 'vit-b61'; known: demo, vit-b16"),
    ],
)
def test_bad_arguments_name_what_is_allowed(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_sa2vp(**arguments)


def test_checkpoints_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"missing\.npz: no such file"):
        load_backbone("vit_tiny_patch16_224", tmp_path / "missing.npz")
    with pytest.raises(BackboneError, match=r"weights\.txt: expected a \.npz"):
        load_backbone("vit_tiny_patch16_224", tmp_path / "weights.txt")
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, something=np.zeros(3))
    with pytest.raises(BackboneError, match=r"foreign\.npz: .*vit_tiny_patch16_224"):
        load_backbone("vit_tiny_patch16_224", foreign)


def test_a_backbone_without_aligned_tokens_is_refused_before_its_weights_are_fetched() -> None:
    with pytest.raises(BackboneError, match="is a SwinTransformer, not a timm VisionTransformer"):
        load_backbone("swin_tiny_patch4_window7_224")


def test_a_hub_that_does_not_answer_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody there
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nonexistent")
    with pytest.raises(BackboneError, match=r"could not be fetched from timm's hub .*--checkpoint"):
        load_backbone("vit_tiny_patch16_224")
