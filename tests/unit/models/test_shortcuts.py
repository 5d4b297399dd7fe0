"""Each shortcut of the models gives what the plain path gives, gradients included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from families import FAMILIES, Family, without_randomness
from timm.layers import Mlp
from tiny import make_tiny_backbone, make_tiny_swin
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models import SA2VP
from sa2vp.models.fast.alignment import aligned_mask
from sa2vp.models.fast.attention import attend
from sa2vp.models.fast.block import FrozenBlock, run_stacked
from sa2vp.models.fast.linear import frozen_linear, frozen_parameters
from sa2vp.models.fast.mlp import frozen_mlp
from sa2vp.models.fast.swin_block import FrozenSwinBlock
from sa2vp.models.fast.vit_block import FrozenViTBlock
from sa2vp.models.plain import forward_features as plain_forward_features

SHAPES: dict[str, list[dict[str, Any]]] = {
    "vit": [
        {"img_size": 4, "depth": 3},  # one patch: no neighbour but itself
        {"img_size": 8, "depth": 4},  # 2x2: corners only
        {"img_size": 12, "depth": 5},  # 3x3: one inner patch
        {"img_size": 20, "depth": 6},  # 5x5
        {"img_size": 28, "depth": 7, "num_heads": 2},  # 7x7, depth not divisible by three
    ],
    "swin": [
        {},  # shifted 3x3 windows, the second stage fused
        {"img_size": 16, "window_size": 2, "depths": (1, 1, 4, 1), "num_heads": (1, 2, 2, 4)},
        {"img_size": 16, "window_size": 4, "depths": (1, 3), "num_heads": (2, 2)},  # one window
        {"img_size": 32, "window_size": 4, "depths": (3, 2), "num_heads": (2, 2)},  # first fused
    ],
}
CASES = [(family, shape) for family in FAMILIES for shape in SHAPES[family.kind]]


def gradients(model: SA2VP, features: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    sum(f.square().sum() for f in features).backward()  # type: ignore[union-attr]
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("family", "shape"), CASES, ids=str)
def test_the_whole_model_agrees_with_the_plain_one(
    family: Family, shape: dict[str, Any], training: bool
) -> None:
    """Shared projections, stacking, batch 1, the last block's class token, spared gradients."""
    model = without_randomness(
        family, backbone=shape, num_classes=5, inter_dim=4, inter_weight=0.7
    ).train(training)
    size = model.backbone.patch_embed.img_size
    images = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(0))
    features = model.forward_features(images)
    expected = plain_forward_features(model, images, family.fusion)
    for actual, wanted in zip(features, expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-5)
    actual_gradients, plain_gradients = gradients(model, features), gradients(model, expected)
    assert actual_gradients.keys() == plain_gradients.keys()
    for name, wanted in plain_gradients.items():
        largest = wanted.abs().max().item()
        torch.testing.assert_close(
            actual_gradients[name], wanted, rtol=1e-3, atol=1e-4 * max(1, largest)
        )


def vit_block(*, class_only: bool = False) -> FrozenViTBlock:
    block = make_tiny_backbone().blocks[2].requires_grad_(False)
    return FrozenViTBlock(block, dropout_rate=0.0, class_only=class_only)


def swin_block(*, shifted: bool) -> FrozenSwinBlock:
    block = make_tiny_swin().layers[0].blocks[int(shifted)].requires_grad_(False)
    assert any(block.shift_size) == shifted
    return FrozenSwinBlock(block, drop_path_rate=0.0)


def tokens(batch: int, *, swin: bool = False, needs_gradient: bool = True) -> Tensor:
    drawn = torch.randn(batch, 144 if swin else 17, 8 if swin else 24)
    return drawn.requires_grad_(needs_gradient)


@pytest.mark.parametrize(
    ("block", "swin"), [(vit_block(), False), (swin_block(shifted=True), True)]
)
def test_stacked_streams_pass_a_block_as_they_would_alone(block: FrozenBlock, swin: bool) -> None:
    streams = [tokens(batch, swin=swin) for batch in (3, 3, 1)]  # a deep prompt has batch 1
    for stream, (heads, out) in zip(streams, run_stacked(block, *streams), strict=True):
        (alone_heads,), alone_out = block(stream, [len(stream)])
        torch.testing.assert_close(out, alone_out)
        torch.testing.assert_close(heads.k, alone_heads.k)
        (gradient,) = torch.autograd.grad(out.square().sum(), stream, retain_graph=True)
        (alone,) = torch.autograd.grad(alone_out.square().sum(), stream)
        torch.testing.assert_close(gradient, alone)


def test_a_stream_without_learned_arrays_before_it_gets_no_gradient() -> None:
    image, prompt = tokens(3, needs_gradient=False), tokens(1)
    (image_heads, image_out), (_, prompt_out) = run_stacked(vit_block(), image, prompt)
    assert not image_out.requires_grad
    assert not image_heads.k.requires_grad
    assert prompt_out.requires_grad


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_gradients_start_where_the_first_learned_array_enters(family: Family) -> None:
    model = without_randomness(family).train()
    needing: list[tuple[int, bool, bool]] = []
    original = model._layer

    def watched(index: int, block: Any, x: Tensor, p: Tensor, *deep: Tensor) -> Any:
        needing.append((index, x.requires_grad, p.requires_grad))
        return original(index, block, x, p, *deep)

    model._layer = watched  # type: ignore[method-assign]
    model(family.images(2))
    # Block 0 adapts the prompts; block 1 is the first to add something learned to the image stream.
    assert needing == [(index, index >= 2, True) for index in range(6)]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_prompts_pass_with_batch_1_until_the_first_image_touches_them(family: Family) -> None:
    model = without_randomness(family).train()
    batches: list[int] = []
    original = model._layer

    def watched(index: int, block: Any, x: Tensor, p: Tensor, *deep: Tensor) -> Any:
        batches.append(len(p))
        return original(index, block, x, p, *deep)

    model._layer = watched  # type: ignore[method-assign]
    model(family.images(2))
    assert batches == [1, 2, 2, 2, 2, 2]


def test_the_last_block_gives_the_class_token_of_the_whole_block() -> None:
    stream = tokens(3)
    (heads,), out = vit_block(class_only=True)(stream, [3])
    (whole_heads,), whole = vit_block()(stream, [3])
    assert heads.q.shape[2] == 1
    torch.testing.assert_close(out, whole[:, :1])
    torch.testing.assert_close(heads.k, whole_heads.k)


@pytest.mark.parametrize("shifted", [False, True])
def test_windows_over_raster_tokens_equal_timms_block(shifted: bool) -> None:
    block = swin_block(shifted=shifted)
    stream = tokens(2, swin=True)
    _, out = block(stream, [2])
    plain = block.block(stream.unflatten(1, (12, 12))).flatten(1, 2)
    torch.testing.assert_close(out, plain, rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(out.square().sum(), stream)
    (expected,) = torch.autograd.grad(plain.square().sum(), stream)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_a_whole_vit_block_equals_timms() -> None:
    stream = tokens(2)
    torch.testing.assert_close(vit_block()(stream, [2])[1], vit_block().block(stream))


@pytest.mark.parametrize("act", [nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU()])
@pytest.mark.parametrize("count", [7, 1024, 2500])  # rows: fewer than a chunk, one, three
def test_the_mlp_in_chunks_equals_the_plain_one(act: nn.Module, count: int) -> None:
    mlp = Mlp(6, 10).requires_grad_(False)
    mlp.act = act
    stream = torch.randn(1, count, 6, requires_grad=True)
    out, plain = frozen_mlp(mlp, stream, 0.0), mlp(stream)
    torch.testing.assert_close(out, plain)
    with torch.no_grad():
        torch.testing.assert_close(frozen_mlp(mlp, stream, 0.0), plain)
    gradients = [torch.autograd.grad(o.square().sum(), stream)[0] for o in (out, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_the_mlps_dropout_follows_its_gradient_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    mlp = Mlp(4, 4000, bias=False, act_layer=nn.Identity).requires_grad_(False)
    nn.init.ones_(mlp.fc1.weight)
    nn.init.constant_(mlp.fc2.weight, 1 / 4000)
    stream = torch.ones(1, 3000, 4, requires_grad=True)
    out = frozen_mlp(mlp, stream, 0.25)  # each token: 4 times the kept share of 4000, over 0.75
    assert out.mean().item() == pytest.approx(4, abs=0.01)
    assert out[..., 0].std().item() == pytest.approx(4 * (0.25 / 0.75 / 4000) ** 0.5, rel=0.1)
    (gradient,) = torch.autograd.grad(out.sum(), stream)
    # Linear in its input: the gradient times the input is the output, token by token.
    torch.testing.assert_close((gradient * stream).sum(2), out.sum(2), rtol=1e-3, atol=0)


def test_frozen_linears_are_converted_once_and_again_after_a_change() -> None:
    linear = nn.Linear(4, 3).requires_grad_(False)
    x = torch.randn(2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = frozen_parameters(linear, torch.bfloat16)[0]
        assert frozen_parameters(linear, torch.bfloat16)[0] is first
        assert torch.equal(frozen_linear(linear, x), linear(x))
        linear.weight.mul_(2)
        assert torch.equal(frozen_linear(linear, x), linear(x))
    assert torch.equal(frozen_linear(linear, x), linear(x))


@pytest.mark.parametrize("masked", ["no", "bool", "bias"])
def test_attention_in_plain_bfloat16_steps_equals_the_fused_kernel(masked: str) -> None:
    q, k, v = (torch.randn(2, 3, 17, 8, requires_grad=True) for _ in range(3))
    mask = {
        "no": None,
        "bool": aligned_mask(4, class_token=True),
        "bias": torch.randn(3, 17, 17),
    }[masked]
    fused = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = attend(q, k, v, mask)
    assert plain.dtype == torch.bfloat16
    torch.testing.assert_close(plain.float(), fused, rtol=0.05, atol=0.03)
    for leaf in (q, k, v):
        (expected,) = torch.autograd.grad(fused.square().sum(), leaf, retain_graph=True)
        (gradient,) = torch.autograd.grad(plain.square().sum(), leaf, retain_graph=True)
        assert (gradient - expected).norm() / expected.norm() < 0.05


def test_stochastic_depth_drops_and_scales_whole_branches() -> None:
    torch.manual_seed(0)
    block = FrozenSwinBlock(swin_block(shifted=False).block, drop_path_rate=0.25)
    kept = block.drop_branch(torch.ones(4000, 2, 3))
    per_image = kept.flatten(1)
    assert (per_image == per_image[:, :1]).all()
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (kept[:, 0, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_stochastic_depth_rises_linearly_over_all_blocks_while_training() -> None:
    model = Family("swin", "exact").make(drop_path=0.2)
    expected = [0.2 * i / 8 for i in range(9)]  # 2 + 6 + 1 blocks
    stages = model.backbone.layers
    for training, rates in ((True, expected), (False, [0.0] * 9)):
        model.train(training)
        blocks = iter(model.drop_path_rates)
        drawn = [b.drop_path_rate for s in stages for b in model._frozen_blocks(s, blocks)]
        assert drawn == pytest.approx(rates)


@pytest.mark.parametrize(("row", "column", "seen"), [(0, 0, 4), (0, 3, 6), (2, 3, 9), (13, 13, 4)])
def test_patches_see_4_6_or_9_neighbours(row: int, column: int, seen: int) -> None:
    mask = aligned_mask(14, class_token=True)
    token = 1 + row * 14 + column
    assert mask[token].sum() == seen
    assert mask[token, token]
    assert not mask[token, 0]
    assert mask[0].all()
    assert torch.equal(aligned_mask(14, class_token=False), mask[1:, 1:])
