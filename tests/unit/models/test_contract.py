"""What every model of the family keeps to, whatever its backbone and fusion."""

from __future__ import annotations

import copy

import pytest
import torch
from families import FAMILIES, Family, randomised, without_randomness
from torch.nn import functional as F

from sa2vp.methods.optimizers import build_adamw
from sa2vp.models import create_sa2vp
from sa2vp.models.objective import sa2vp_loss
from sa2vp.training.generators import generator_states, restore_generators, seed_everything

pytestmark = pytest.mark.parametrize("family", FAMILIES, ids=str)

TARGETS = torch.tensor([0, 1, 2, 3])


def test_shapes(family: Family) -> None:
    model = family.make(num_classes=5)
    dim = 24 if family.kind == "vit" else 32  # the Swin doubles its 8 channels twice
    assert [f.shape for f in model.forward_features(family.images(3))] == [(3, dim)] * 2
    assert [logits.shape for logits in model(family.images(3))] == [(3, 5)] * 2


def test_learned_arrays_are_exactly_the_named_ones(family: Family) -> None:
    tokens, dim, fused_dim = (17, 24, 24) if family.kind == "vit" else (144, 8, 16)
    expected = {
        "prompt": (1, tokens, 4),
        "prompt_proj.weight": (dim, 4),
        "prompt_proj.bias": (dim,),
        "head.weight": (5, 24 if family.kind == "vit" else 32),
        "head.bias": (5,),
    }
    for i in range(6):
        expected |= {f"fusion.{i}.norm.weight": (fused_dim,), f"fusion.{i}.norm.bias": (fused_dim,)}
        expected |= {f"fusion.{i}.down.weight": (4, fused_dim), f"fusion.{i}.down.bias": (4,)}
        expected |= {f"fusion.{i}.up.weight": (fused_dim, 4), f"fusion.{i}.up.bias": (fused_dim,)}
    if family.kind == "vit":
        expected |= {"deep_prompt": (2, 1, 17, 4), "deep_scale": (2, 24)}
        for j in range(2):
            expected |= {f"deep_proj.{j}.weight": (24, 4), f"deep_proj.{j}.bias": (24,)}
    arrays = family.make(num_classes=5, inter_dim=4).trainable_state_dict()
    assert {name: tuple(array.shape) for name, array in arrays.items()} == expected


def test_a_step_changes_every_learned_array_and_nothing_frozen(family: Family) -> None:
    model = randomised(family.make(num_classes=4))
    before = copy.deepcopy(model.state_dict())
    learned = model.trainable_state_dict().keys()
    optimizer = build_adamw(model, lr=1e-2, weight_decay=1e-4)
    sa2vp_loss(model.train()(family.images(4)), TARGETS).backward()
    optimizer.step()
    for name, array in model.state_dict().items():
        assert torch.equal(array, before[name]) == (name not in learned), name


def test_learned_arrays_survive_a_round_trip(family: Family) -> None:
    source, target = randomised(family.make()).eval(), family.make().eval()
    target.load_trainable_state_dict(source.trainable_state_dict())
    for restored, own in zip(target(family.images(2)), source(family.images(2)), strict=True):
        assert torch.equal(restored, own)


def test_learned_arrays_that_do_not_fit_are_refused_whole(family: Family) -> None:
    model = family.make(inter_dim=8)
    arrays = {name: array + 1 for name, array in model.trainable_state_dict().items()}
    before = copy.deepcopy(model.trainable_state_dict())
    with pytest.raises(ValueError, match=r"missing learned arrays: prompt$"):
        model.load_trainable_state_dict({k: v for k, v in arrays.items() if k != "prompt"})
    with pytest.raises(ValueError, match="unknown learned arrays: extra"):
        model.load_trainable_state_dict(arrays | {"extra": arrays["prompt"]})
    wider = family.make(inter_dim=16).trainable_state_dict()
    with pytest.raises(ValueError, match=r"has shape .*16.*, expected"):
        model.load_trainable_state_dict(wider)
    for name, array in model.trainable_state_dict().items():
        assert torch.equal(array, before[name])


def test_a_restored_generator_draws_the_same_training_step(family: Family) -> None:
    model = randomised(family.make(num_classes=4)).train()
    seed_everything(3)
    states = generator_states(torch.device("cpu"))
    first = sa2vp_loss(model(family.images(4)), TARGETS)
    other = sa2vp_loss(model(family.images(4)), TARGETS)
    restore_generators(states, torch.device("cpu"))
    again = sa2vp_loss(model(family.images(4)), TARGETS)
    assert first == again
    assert first != other


def test_randomness_tells_images_apart_while_training_alone(family: Family) -> None:
    torch.manual_seed(0)
    model = randomised(family.make())
    same = family.images(1).expand(2, -1, -1, -1)
    for logits in model.train()(same):
        assert not torch.equal(logits[0], logits[1])
    for logits in model.eval()(same):
        torch.testing.assert_close(logits[0], logits[1])


def test_training_without_randomness_equals_evaluation(family: Family) -> None:
    model = without_randomness(family)
    images = family.images(2)
    for trained, evaluated in zip(model.train()(images), model.eval()(images), strict=True):
        torch.testing.assert_close(trained, evaluated)


def test_images_do_not_influence_each_other(family: Family) -> None:
    model = randomised(family.make()).eval()
    images = family.images(3)
    for whole, alone in zip(model(images), model(images[1:2]), strict=True):
        torch.testing.assert_close(whole[1:2], alone)


def test_autocast_to_bfloat16_comes_close(family: Family) -> None:
    model = randomised(family.make()).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model.forward_features(family.images(4))
    for lower, full in zip(low, model.forward_features(family.images(4)), strict=True):
        error = (lower.float() - full).norm() / full.norm()
        assert 0 < error < 0.1


def test_autocast_leaves_the_last_norm_and_the_head_in_float32(family: Family) -> None:
    model = randomised(family.make(num_classes=5)).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        both = model.forward_features(family.images(4)), model(family.images(4))
    for features, logits in zip(*both, strict=True):
        assert torch.equal(logits, F.linear(features, model.head.weight, model.head.bias))
        for tensor in (features, logits):
            assert tensor.dtype == torch.float32
            assert not torch.equal(tensor, tensor.bfloat16().float())


def test_autocast_tells_classes_apart_that_bfloat16_would_not(family: Family) -> None:
    model = family.make(num_classes=3).eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([100.0, 100.1, 99.0]))  # bfloat16 has 100 and 100.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for logits in model(family.images(2)):
            assert logits.argmax(1).tolist() == [1, 1]


def test_fusions_tell_where_they_look(family: Family) -> None:
    model = randomised(family.make()).train()
    attentions = model.fusion_attention(family.images(2))
    grid = 4 if family.kind == "vit" else 6
    # A ViT's last fusion is computed at the class token alone.
    assert [a.block for a in attentions] == list(range(5 if family.kind == "vit" else 6))
    assert [a.block for a in attentions if a.image_to_prompt] == [0, 2, 4]
    assert model.training
    for attention in attentions:
        assert attention.weights.shape == (2, grid, grid, 3, 3)
        corner = attention.weights[:, 0, 0]
        assert corner[:, 0].abs().max() == corner[:, :, 0].abs().max() == 0  # nothing up or left
        total = attention.weights.sum((3, 4))
        torch.testing.assert_close(total[:, 1:-1, 1:-1], torch.ones(2, grid - 2, grid - 2))
        edge = total[:, 0]
        assert (edge < 0.999).all() if family.fusion == "acc" else (edge > 0.999).all()


def test_prompt_norms_are_those_of_the_projected_map(family: Family) -> None:
    model = randomised(family.make())
    norms = model.prompt_norms()
    grid = 4 if family.kind == "vit" else 12
    assert norms.shape == (grid, grid)
    token = model.prompt[0, -1] @ model.prompt_proj.weight.T + model.prompt_proj.bias
    torch.testing.assert_close(norms[-1, -1], token.square().sum().sqrt())


def test_the_backbone_may_be_shared_and_stays_in_evaluation_mode(family: Family) -> None:
    model = family.make()
    other = create_sa2vp(model.backbone, fusion=family.fusion)
    assert other.backbone is model.backbone
    assert not model.train().backbone.training


def test_the_seed_decides_the_learned_arrays(family: Family) -> None:
    backbone = family.make().backbone
    first, same, other = (
        (torch.manual_seed(seed), create_sa2vp(backbone, fusion=family.fusion))[1].prompt
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
