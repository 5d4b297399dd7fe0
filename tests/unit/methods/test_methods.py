"""What every method keeps to, on a tiny ViT and, where it is defined there, on a tiny Swin."""

from __future__ import annotations

import copy

import pytest
import torch
from kinds import BACKBONES, CASES, configured, made, without_draws

from sa2vp.methods import METHODS
from sa2vp.models.fingerprint import fingerprint

TARGETS = torch.tensor([0, 1, 2, 3])

NO_GRADIENT = {"adapter-vpt": ("down.weight", "down.bias", "up.weight")}
"""Endings of learned arrays that no gradient reaches at the start; why is in the method's file."""

pytestmark = pytest.mark.parametrize(("name", "kind"), CASES)


def test_logits_are_of_every_image_and_class(name: str, kind: str) -> None:
    model, images = made(name, kind)
    assert configured(name).method.logits(model(images)).shape == (4, 5)


def test_a_step_changes_what_is_learned_and_nothing_else(name: str, kind: str) -> None:
    run = without_draws(name)
    model, images = made(name, kind, run)
    optimizer = run.method.build_optimizer(model, lr=1e-2, weight_decay=1e-4)
    before, learned = copy.deepcopy(model.state_dict()), model.trainable_state_dict().keys()
    first = run.method.loss(model.train()(images), TARGETS)
    first.backward()
    optimizer.step()
    changed = {n for n, array in model.state_dict().items() if not torch.equal(array, before[n])}
    assert {"head.weight", "head.bias"} <= changed <= {*learned}
    assert run.method.loss(model(images), TARGETS) < first


def test_gradients_reach_what_is_learned_and_nothing_else(name: str, kind: str) -> None:
    run = without_draws(name)
    model, images = made(name, kind, run)
    with torch.no_grad():  # where two factors begin at 0, neither would get a gradient
        for array in model.parameters():
            if array.requires_grad and name not in NO_GRADIENT:
                array.add_(0.1 * torch.randn_like(array))
    run.method.loss(model.train()(images), TARGETS).backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    learned = {n for n, p in model.named_parameters() if p.requires_grad}
    assert reached == {n for n in learned if not n.endswith(NO_GRADIENT.get(name, ()) or "\n")}


def test_the_backbone_it_was_given_is_as_before(name: str, kind: str) -> None:
    backbone = BACKBONES[kind][0]()
    weights, modules = fingerprint(backbone), [type(module) for module in backbone.modules()]
    run = configured(name)
    model, images = made(name, kind, run, backbone)
    before = backbone.eval().forward_features(images)
    optimizer = run.method.build_optimizer(model, lr=1e-2, weight_decay=1e-4)
    run.method.loss(model.train()(images), TARGETS).backward()
    optimizer.step()
    assert torch.equal(backbone.eval().forward_features(images), before)
    assert fingerprint(backbone) == weights
    assert [type(module) for module in backbone.modules()] == modules


def test_models_on_one_backbone_do_not_disturb_each_other(name: str, kind: str) -> None:
    backbone = BACKBONES[kind][0]()
    method = configured(name).method
    (first, images), (second, _) = (made(name, kind, backbone=backbone) for _ in range(2))
    before = method.logits(second.eval()(images))
    with torch.no_grad():
        for array in first.parameters():
            if array.requires_grad:
                array.add_(1.0)
    assert torch.equal(method.logits(second(images)), before)


def test_what_is_learned_survives_a_round_trip(name: str, kind: str) -> None:
    (source, images), (target, _) = made(name, kind), made(name, kind)
    with torch.no_grad():
        for array in source.trainable_state_dict().values():
            array.add_(1 if array.dtype == torch.int64 else 0.125)
    target.load_trainable_state_dict(source.trainable_state_dict())
    method = configured(name).method
    expected, found = (method.logits(model.eval()(images)) for model in (source, target))
    assert torch.equal(found, expected)


def test_evaluation_does_not_smooth_and_smoothing_changes_training(name: str, kind: str) -> None:
    model, images = made(name, kind)
    method, outputs = configured(name).method, model.eval()(images)
    assert method.evaluation_loss(outputs, TARGETS) == method.loss(outputs, TARGETS)
    assert method.loss(outputs, TARGETS, 0.3) != method.loss(outputs, TARGETS)


def test_evaluation_draws_nothing(name: str, kind: str) -> None:
    model, images = made(name, kind)
    state = torch.get_rng_state()
    model.eval()(images)
    assert torch.equal(torch.get_rng_state(), state)


def test_parts_of_a_batch_have_its_gradients_together(name: str, kind: str) -> None:
    run = without_draws(name)
    model, images = made(name, kind, run)
    if name == "mlp-3":  # its BatchNorm sees each part alone, and one image is none
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            model.train()(images[:1])
        return
    gradients = []
    for size in (4, 1):
        model.zero_grad()
        for part, classes in zip(images.split(size), TARGETS.split(size), strict=True):
            loss = run.method.loss(model.train()(part), classes) * (len(part) / 4)
            loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    whole, parts = gradients
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-5)


def test_low_precision_leaves_logits_and_gradients_in_float32(name: str, kind: str) -> None:
    run = configured(name)
    model, images = made(name, kind, run)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model.train()(images)
    assert run.method.logits(outputs).dtype == torch.float32
    run.method.loss(outputs, TARGETS).backward()
    for array in model.parameters():
        if array.grad is not None:
            assert array.grad.dtype == torch.float32
            assert array.grad.isfinite().all()


def test_features_stand_for_their_images(name: str, kind: str) -> None:
    model, images = made(name, kind)
    if configured(name).method.reads_features:
        features = model.eval().features(images)
        assert features.ndim == 2
        torch.testing.assert_close(model(features), model(images))


def test_every_default_space_fits_the_method(name: str, kind: str) -> None:
    backbone = {"vit": "demo", "swin": "swin-b"}[kind]
    tasks = {"demo": "digits", "vtab-1k": "svhn", "fgvc": "cub200", "hta": "dtd", "custom": "mine"}
    for suite, task in tasks.items():
        space = METHODS[name].default_space(suite, task, backbone)
        assert space.initial
        for values in space.initial:
            configured(name, **values)
