"""What every method keeps to, on a tiny ViT and a tiny Swin."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tiny import make_tiny_backbone, make_tiny_swin

from sa2vp.methods import METHODS
from sa2vp.models.learned import LearnedArrays
from sa2vp.training.configuration import RunConfiguration

BACKBONES = {"vit": (make_tiny_backbone, 16), "swin": (make_tiny_swin, 24)}
OWN: dict[str, dict[str, Any]] = {"sa2vp": {"inter_dim": 4, "inter_weight": 0.5}}
TARGETS = torch.tensor([0, 1, 2, 3])

pytestmark = [
    pytest.mark.parametrize("name", METHODS),
    pytest.mark.parametrize("kind", BACKBONES),
]


def configured(name: str) -> RunConfiguration:
    values = {"lr": 1e-2, "batch_size": 4, **OWN.get(name, {})}
    return RunConfiguration.of(METHODS[name], values, epochs=1, seed=0)


def made(name: str, kind: str) -> tuple[LearnedArrays, torch.Tensor]:
    build, size = BACKBONES[kind]
    torch.manual_seed(0)
    model = configured(name).method.build(build(), num_classes=5)
    return model, torch.randn(4, 3, size, size)


def test_logits_are_of_every_image_and_class(name: str, kind: str) -> None:
    model, images = made(name, kind)
    assert configured(name).method.logits(model(images)).shape == (4, 5)


def test_a_step_changes_what_is_learned_and_nothing_else(name: str, kind: str) -> None:
    model, images = made(name, kind)
    run = configured(name)
    optimizer = run.method.build_optimizer(model, lr=1e-2, weight_decay=1e-4)
    before, learned = copy.deepcopy(model.state_dict()), model.trainable_state_dict().keys()
    first = run.method.loss(model.train()(images), TARGETS)
    first.backward()
    optimizer.step()
    changed = {n for n, array in model.state_dict().items() if not torch.equal(array, before[n])}
    assert {"head.weight", "head.bias"} <= changed <= {*learned}
    assert run.method.loss(model(images), TARGETS) < first


def test_the_backbone_it_was_given_is_as_before(name: str, kind: str) -> None:
    build, size = BACKBONES[kind]
    backbone = build()
    images = torch.randn(2, 3, size, size)
    before = backbone.forward_features(images)
    model = configured(name).method.build(backbone, num_classes=5)
    model.train()(images)
    assert torch.equal(backbone.eval().forward_features(images), before)


def test_what_is_learned_survives_a_round_trip(name: str, kind: str) -> None:
    (source, images), (target, _) = made(name, kind), made(name, kind)
    with torch.no_grad():
        for array in source.trainable_state_dict().values():
            array.add_(0.1)
    target.load_trainable_state_dict(source.trainable_state_dict())
    method = configured(name).method
    expected, found = (method.logits(model.eval()(images)) for model in (source, target))
    assert torch.equal(found, expected)


def test_evaluation_does_not_smooth_and_smoothing_changes_training(name: str, kind: str) -> None:
    model, images = made(name, kind)
    method, outputs = configured(name).method, model.eval()(images)
    assert method.evaluation_loss(outputs, TARGETS) == method.loss(outputs, TARGETS)
    assert method.loss(outputs, TARGETS, 0.3) != method.loss(outputs, TARGETS)


def test_features_stand_for_their_images(name: str, kind: str) -> None:
    model, images = made(name, kind)
    if configured(name).method.reads_features:
        features = model.features(images)
        assert features.ndim == 2
        torch.testing.assert_close(model(features), model(images))
