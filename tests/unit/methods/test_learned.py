"""What each method learns, on the backbones of the paper and against plain algorithms."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from kinds import made, without_draws

from sa2vp.methods import METHODS
from sa2vp.models.learned import LearnedArrays
from sa2vp.models.suitability import Backbone
from search_spaces.vpt import VPT_LENGTHS

VIT_B, SWIN_B = "vit_base_patch16_224", "swin_base_patch4_window7_224"


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    """Build the paper's, without memory for their weights."""
    with torch.device("meta"):
        return {name: timm.create_model(name, num_classes=0).eval() for name in (VIT_B, SWIN_B)}


def built(method: str, backbone: Backbone, **values: Any) -> LearnedArrays:
    with torch.device("meta"):
        return METHODS[method].of(values).build(backbone, 100)


COUNTS: list[tuple[str, dict[str, Any], int]] = [
    ("full", {}, 85_798_656),
    ("linear", {}, 0),
    ("partial-1", {}, 7_089_408),
    ("mlp-3", {}, 1_184_256),
    ("bias", {}, 102_912),
    ("sidetune", {"side_weights": "random"}, 9_547_585),
    ("adapter", {"bottleneck": 8}, 156_768),
    ("adapter-vpt", {"reduction": 8}, 1_779_840),
    ("adapter-vpt", {"reduction": 64}, 230_544),
    ("adapter-vpt", {"reduction": 256}, 64_548),
    ("adaptformer", {"bottleneck": 8, "scale": 0.1}, 156_768),
    ("vpt-shallow", {"prompt_length": 100}, 76_800),
    ("vpt-deep", {"prompt_length": 10}, 92_160),
    ("lora", {"rank": 8}, 294_912),
    ("ssf", {}, 205_824),
    # 0.22 M as printed is 221,184 without biases; released code has them: 24 * (8 + 768) more.
    ("repadapter", {"bottleneck": 8, "scale": 1.0}, 221_184 + 18_624),
]
"""On ViT-B/16, without the head, as papers or released code have them (docs/methods.md)."""


@pytest.mark.parametrize(("method", "values", "count"), COUNTS)
def test_as_many_parameters_are_learned_on_vit_b_as_published(
    backbones: dict[str, Backbone], method: str, values: dict[str, Any], count: int
) -> None:
    assert built(method, backbones[VIT_B], **values).count_learned() == count


@pytest.mark.parametrize(
    ("method", "count"),
    # By hand. The last block: norms 2 * 2 * 1024, qkv (1024 + 1) * 3072, projection (1024 + 1) *
    # 1024, MLP (1024 + 1) * 4096 + (4096 + 1) * 1024, bias table 169 * 32; the final norm 2 * 1024.
    [("full", 86_743_224), ("partial-1", 12_596_224 + 5_408 + 2_048)],
)
def test_as_many_are_learned_on_swin_b(
    backbones: dict[str, Backbone], method: str, count: int
) -> None:
    """As printed, with heads: 86.80 M and 12.65 M (NeurIPS 2024, Householder adaptation)."""
    assert built(method, backbones[SWIN_B]).count_learned() == count


def test_every_bias_of_a_swin_is_learned_with_its_tables(backbones: dict[str, Backbone]) -> None:
    names = built("bias", backbones[SWIN_B]).trainable_state_dict().keys() - {"head.weight"}
    assert all("bias" in name for name in names)
    tables = [name for name in names if "relative_position_bias_table" in name]
    # Two stages of 2 blocks, one of 18, one of 2, of 4, 8, 16 and 32 heads, of 13x13 places.
    assert len(tables) == 24
    # Printed with heads: 0.25 M.
    in_tables = 169 * (2 * 4 + 2 * 8 + 18 * 16 + 2 * 32)
    assert (
        built("bias", backbones[SWIN_B]).count_learned() == 137_216 + in_tables
    )  # printed: 0.25 M


@pytest.mark.parametrize("kind", ["vit", "swin"])
def test_partial_1_records_nothing_below_the_last_block(kind: str) -> None:
    model, images = made("partial-1", kind)
    blocks = model.backbone.blocks if kind == "vit" else model.backbone.layers[1].blocks
    found: list[bool] = []
    last_but_one = blocks[-2] if kind == "vit" else blocks[-1]
    last_but_one.register_forward_hook(lambda _, __, out: found.append(out.requires_grad))
    assert model(images).requires_grad
    assert found == [False]


@torch.no_grad()
def test_mlp_3_is_two_hidden_layers_of_linear_relu_norm() -> None:
    model, images = made("mlp-3", "vit")
    x = model.features(images)
    for i in (0, 4):
        linear, norm = model.hidden[i], model.hidden[i + 2]
        x = (x @ linear.weight.T + linear.bias).clamp(min=0)
        norm.running_mean.copy_(x.mean(0))
        norm.running_var.copy_(x.var(0) + 0.5)
        x = (x - norm.running_mean) / (norm.running_var + 1e-5).sqrt() * norm.weight + norm.bias
    expected = x @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model.eval()(images), expected, rtol=1e-4, atol=1e-5)


def test_mlp_3_keeps_its_running_statistics() -> None:
    model, images = made("mlp-3", "vit")
    model.train()(images)
    (other, _), expected = made("mlp-3", "vit"), model.eval()(images)
    other.load_trainable_state_dict(model.trainable_state_dict())
    assert torch.equal(other.eval()(images), expected)


def test_vpt_deep_learns_on_average_as_much_as_published(backbones: dict[str, Backbone]) -> None:
    """Over the 24 tasks of FGVC and VTAB-1k, with the published prompt lengths."""
    lengths = [deep for _, deep in VPT_LENGTHS.values()]
    assert len(lengths) == 24
    models = {n: built("vpt-deep", backbones[VIT_B], prompt_length=n) for n in {*lengths}}
    assert sum(models[n].count_learned() for n in lengths) / 24 == 584_832


def test_an_adapter_of_zeros_learns_the_biases_of_its_output_alone() -> None:
    """Whatever its width: on ViT-B/16, 12 * 768 = 9,216 numbers."""
    run = without_draws("adapter-vpt")
    model, images = made("adapter-vpt", "vit", run)
    optimizer = run.method.build_optimizer(model, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        run.method.loss(model(images), torch.arange(4)).backward()
        optimizer.step()
    learned = {n: array for n, array in model.trainable_state_dict().items() if "adapter" in n}
    moved = {name for name, array in learned.items() if array.any()}
    assert moved == {f"backbone.blocks.{index}.mlp.adapter.up.bias" for index in range(6)}
    assert sum(learned[name].numel() for name in moved) == 6 * 24
    assert len(learned) == 6 * 4


def drawn(method: str, *names: str) -> list[torch.Tensor]:
    """Take arrays of a name from every block of a fresh model, 24 channels wide, in one each."""
    model, _ = made(method, "vit")
    arrays = model.trainable_state_dict()
    return [torch.cat([a.flatten() for n, a in arrays.items() if n.endswith(e)]) for e in names]


def test_learned_arrays_begin_as_published() -> None:
    a, b = drawn("lora", "a.weight", "b.weight")
    assert 0.98 / 24**0.5 < a.abs().max() <= 1 / 24**0.5  # Kaiming uniform with sqrt(5)
    assert not b.any()
    down, up = drawn("adapter", "down.weight", "up.weight")
    bound = (6 / (24 + 3)) ** 0.5  # Xavier's
    assert all(0.98 * bound < array.abs().max() <= bound for array in (down, up))
    (biases,) = drawn("adapter", "adapter.up.bias")
    assert biases.std().item() == pytest.approx(1e-6, rel=0.3)
    down, rest = drawn("adaptformer", "down.weight", "up.weight")
    assert 0.98 / 24**0.5 < down.abs().max() <= 1 / 24**0.5
    assert not rest.any()
    scale, shift = drawn("ssf", "scale", "shift")
    assert (scale.mean().item(), scale.std().item()) == pytest.approx((1, 0.02), rel=0.1)
    assert (shift.mean().item(), shift.std().item()) == pytest.approx((0, 0.02), abs=2e-3)
    (down,) = drawn("repadapter", "down.weight")
    bound = (6 / (24 + 4)) ** 0.5
    assert 0.98 * bound < down.abs().max() <= bound
    (hidden,) = drawn("mlp-3", "hidden.0.weight")
    assert hidden.std().item() == pytest.approx((2 / 24) ** 0.5, rel=0.1)  # Kaiming normal


def test_the_demo_is_searched_with_higher_rates_as_sa2vp_is() -> None:
    def highest(method: str, suite: str, task: str) -> float:
        return METHODS[method].default_space(suite, task, "demo").ranges["lr"].high  # type: ignore[union-attr]

    for method, published, demo in (
        ("sa2vp", 5e-3, 2e-2), ("full", 5e-3, 2e-2), ("ssf", 5e-2, 0.2), ("vpt-deep", 25, 25),
    ):  # fmt: skip
        assert highest(method, "vtab-1k", "svhn") == published
        assert highest(method, "demo", "digits") == pytest.approx(demo)
