"""Each method against its paper's formulas, written out block by block or merged into weights."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from kinds import made, without_draws
from timm.models.swin_transformer import window_partition, window_reverse
from tiny import make_tiny_backbone, make_tiny_swin
from torch import Tensor
from torch.nn import functional as F

from sa2vp.methods import METHODS
from sa2vp.models.learned import LearnedArrays

pytestmark = pytest.mark.usefixtures("_without_gradients")

FROZEN_AT_FIRST = [
    *[("full", kind) for kind in ("vit", "swin")],
    *[("partial-1", kind) for kind in ("vit", "swin")],
    *[("bias", kind) for kind in ("vit", "swin")],
    *[("repadapter", kind) for kind in ("vit", "swin")],
    *[(name, "vit") for name in ("adapter-vpt", "adaptformer", "lora")],
]


@pytest.fixture
def _without_gradients() -> Any:
    with torch.no_grad():
        yield


def randomised(name: str, kind: str) -> tuple[LearnedArrays, Tensor]:
    """Move every learned array away from its initial value, so that each one matters."""
    model, images = made(name, kind, without_draws(name))
    for array in model.parameters():
        if array.requires_grad:
            array.add_(0.2 * torch.randn_like(array))
    return model.eval(), images


def arrays_of(model: LearnedArrays, prefix: str) -> dict[str, Tensor]:
    """Take the learned arrays under a prefix, by the rest of their names."""
    found = model.trainable_state_dict().items()
    return {name.removeprefix(prefix): array for name, array in found if name.startswith(prefix)}


def assert_classified(model: LearnedArrays, images: Tensor, features: Tensor) -> None:
    expected = features @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "kind"), FROZEN_AT_FIRST)
def test_learning_starts_from_the_frozen_backbone(name: str, kind: str) -> None:
    model, images = made(name, kind)
    backbone = {"vit": make_tiny_backbone, "swin": make_tiny_swin}[kind]()
    tokens = backbone.forward_features(images)
    assert_classified(model.eval(), images, tokens[:, 0] if kind == "vit" else tokens.mean((1, 2)))


def test_lora_is_a_sum_of_weights() -> None:
    model, images = randomised("lora", "vit")
    merged = make_tiny_backbone()
    for index, block in enumerate(merged.blocks):
        own = arrays_of(model, f"backbone.blocks.{index}.attn.qkv.")
        block.attn.qkv.weight.add_(own["b.weight"] @ own["a.weight"])
    assert_classified(model, images, merged.forward_features(images)[:, 0])


@pytest.mark.parametrize("kind", ["vit", "swin"])
def test_ssf_is_a_scale_of_weights(kind: str) -> None:
    model, images = randomised("ssf", kind)
    merged: Any = {"vit": make_tiny_backbone, "swin": make_tiny_swin}[kind]()
    scaled = {name.rpartition(".")[0] for name in model.trainable_state_dict()} - {"head"}
    for name in scaled:
        module = merged.get_submodule(name.removeprefix("backbone."))
        own = arrays_of(model, f"{name}.")
        scale, shift = own["scale"].flatten(), own["shift"].flatten()
        module.weight.mul_(scale.view(-1, *[1] * (module.weight.ndim - 1)))
        module.bias.mul_(scale).add_(shift)
    tokens = merged.forward_features(images)
    assert_classified(model, images, tokens[:, 0] if kind == "vit" else tokens.mean((1, 2)))
    # Of each block norm1, qkv, proj, norm2, fc1, fc2; the patches' convolution, the final norm; on
    # a Swin, the patches' norm and those of two mergings.
    assert len(scaled) == (6 * 6 + 2 if kind == "vit" else 9 * 6 + 2 + 3)


@pytest.mark.parametrize("kind", ["vit", "swin"])
def test_repadapter_is_a_product_of_weights(kind: str) -> None:
    """``W ((I + s U D) x + s (U d + u)) + w``, U block-diagonal."""
    model, images = randomised("repadapter", kind)
    merged: Any = {"vit": make_tiny_backbone, "swin": make_tiny_swin}[kind]()
    blocks = {
        name: module for name, module in merged.named_modules() if name.endswith(("norm1", "norm2"))
    }
    for name in blocks:
        block = merged.get_submodule(name.rpartition(".")[0])
        linear = block.attn.qkv if name.endswith("norm1") else block.mlp.fc1
        own = arrays_of(model, f"backbone.{name}.adapter.")
        dim = linear.in_features
        up = torch.zeros(dim, 4)
        up[: dim // 2, :2] = own["up.weight"][: dim // 2, :, 0]
        up[dim // 2 :, 2:] = own["up.weight"][dim // 2 :, :, 0]
        linear.bias.add_(linear.weight @ (0.5 * (up @ own["down.bias"] + own["up.bias"])))
        linear.weight.copy_(linear.weight @ (torch.eye(dim) + 0.5 * up @ own["down.weight"]))
    tokens = merged.forward_features(images)
    assert_classified(model, images, tokens[:, 0] if kind == "vit" else tokens.mean((1, 2)))


def bottleneck(own: dict[str, Tensor], x: Tensor, activation: Any) -> Tensor:
    middle = activation(x @ own["down.weight"].T + own["down.bias"])
    return middle @ own["up.weight"].T + own["up.bias"]


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("adapter", lambda x: x * torch.sigmoid(1.702 * x)),
        ("adapter-vpt", lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2),
    ],
)
def test_an_adapter_follows_each_mlp(name: str, activation: Any) -> None:
    model, images = randomised(name, "vit")
    backbone = make_tiny_backbone()
    x = backbone._pos_embed(backbone.patch_embed(images))
    for index, block in enumerate(backbone.blocks):
        own = arrays_of(model, f"backbone.blocks.{index}.mlp.adapter.")
        x = x + block.attn(block.norm1(x))
        out = block.mlp(block.norm2(x))
        x = x + out + bottleneck(own, out, activation)
    assert_classified(model, images, backbone.norm(x)[:, 0])


def test_adaptformer_stands_beside_norm_and_mlp() -> None:
    model, images = randomised("adaptformer", "vit")
    backbone = make_tiny_backbone()
    x = backbone._pos_embed(backbone.patch_embed(images))
    for index, block in enumerate(backbone.blocks):
        own = arrays_of(model, f"backbone.blocks.{index}.mlp.adapter.")
        x = x + block.attn(block.norm1(x))
        x = x + block.mlp(block.norm2(x)) + 0.5 * bottleneck(own, x, lambda x: x.clamp(min=0))
    assert_classified(model, images, backbone.norm(x)[:, 0])


@pytest.mark.parametrize("name", ["vpt-shallow", "vpt-deep"])
def test_vpt_puts_prompts_after_the_class_token(name: str) -> None:
    model, images = randomised(name, "vit")
    backbone = make_tiny_backbone()
    prompts = arrays_of(model, "backbone.blocks.")
    x = backbone._pos_embed(backbone.patch_embed(images))
    for index, block in enumerate(backbone.blocks):
        if index == 0:
            x = torch.cat([x[:, :1], prompts["0.prompts.tokens"].repeat(4, 1, 1), x[:, 1:]], 1)
        elif name == "vpt-deep":
            own = prompts[f"{index}.prompts.tokens"].repeat(4, 1, 1)
            x = torch.cat([x[:, :1], own, x[:, 3:]], 1)
        x = block(x)
    assert_classified(model, images, backbone.norm(x)[:, 0])


def prompted_window_attention(block: Any, x: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Attend window by window, head by head: a map ``(H, W, D)``, prompts ``(P, D)``."""
    attn, (rows, columns) = block.attn, block.shift_size
    shifted = torch.roll(x, (-rows, -columns), (0, 1))
    windows = window_partition(shifted[None], block.window_size).flatten(1, 2)
    length, area = len(p), windows.shape[1]
    outputs, prompts = [], []
    for number, window in enumerate(windows):
        tokens = torch.cat([p, window])
        heads = []
        q, k, v = attn.qkv(tokens).chunk(3, dim=1)
        for head in range(attn.num_heads):
            d = q.shape[1] // attn.num_heads
            part = slice(head * d, (head + 1) * d)
            scores = q[:, part] @ k[:, part].T / math.sqrt(d)
            within = scores[length:, length:]
            for i in range(area):
                for j in range(area):
                    place = attn.relative_position_index[i, j]
                    within[i, j] += attn.relative_position_bias_table[place, head]
            if block.attn_mask is not None:
                within += block.attn_mask[number]
            heads.append(scores.softmax(1) @ v[:, part])
        out = attn.proj(torch.cat(heads, dim=1))
        prompts.append(out[:length])
        outputs.append(out[length:])
    stacked = torch.stack(outputs).unflatten(1, block.window_size)
    merged = window_reverse(stacked, block.window_size, *x.shape[:2])[0]
    return torch.roll(merged, (rows, columns), (0, 1)), torch.stack(prompts).mean(0)


@pytest.mark.parametrize("name", ["vpt-shallow", "vpt-deep"])
def test_vpt_on_swin_puts_prompts_into_every_window(name: str) -> None:
    model, images = randomised(name, "swin")
    backbone = make_tiny_swin()
    own = arrays_of(model, "backbone.layers.")
    features = []
    for image in images[:2]:
        x, p = backbone.patch_embed(image[None])[0], own["0.downsample.prompts.tokens"][0]
        for stage, layer in enumerate(backbone.layers):
            if stage > 0:
                x = layer.downsample(x[None])[0]
                p = layer.downsample.reduction(layer.downsample.norm(torch.cat([p] * 4, dim=1)))
            for index, block in enumerate(layer.blocks):
                if name == "vpt-deep" and (stage, index) != (0, 0):
                    p = own[f"{stage}.blocks.{index}.prompts.tokens"][0]
                x_out, p_out = prompted_window_attention(block, block.norm1(x), block.norm1(p))
                x, p = x + x_out, p + p_out
                x, p = x + block.mlp(block.norm2(x)), p + block.mlp(block.norm2(p))
        features.append(backbone.norm(torch.cat([p, x.flatten(0, 1)])).mean(0))
    assert_classified(model, images[:2], torch.stack(features))
    deep = sum("blocks" in name for name in own)
    assert deep == (8 if name == "vpt-deep" else 0)


def test_prompts_begin_within_xavier_s_bounds_of_the_patches() -> None:
    model, _ = made("vpt-deep", "vit")  # 4x4 patches, 24 channels
    bound = math.sqrt(6 / (3 * 16 + 24))
    for name, array in model.trainable_state_dict().items():
        if "prompts" in name:
            assert 0.8 * bound < array.abs().max() <= bound


def test_sidetune_mixes_two_features() -> None:
    model, images = randomised("sidetune", "vit")
    enlarged = F.interpolate(images, (64, 64), mode="bilinear", antialias=True)
    side = F.adaptive_avg_pool2d(model.side(enlarged), 6).flatten(1) @ model.projection.weight.T
    share = 1 / (1 + math.exp(-model.alpha.item()))
    features = make_tiny_backbone().forward_features(images)[:, 0]
    assert_classified(model, images, share * features + (1 - share) * side)
    assert made("sidetune", "vit")[0].alpha == 0


def test_dropout_of_the_whole_backbone_is_drawn_on_a_vit_in_training() -> None:
    drawn, images = made("full", "vit")
    assert not torch.equal(drawn.train()(images), drawn.eval()(images))
    kept, _ = made("full", "vit", without_draws("full"))
    assert torch.equal(kept.train()(images), kept.eval()(images))
    swin, images = made("full", "swin")
    assert torch.equal(swin.train()(images), swin.eval()(images))


@pytest.mark.parametrize("name", ["ssf", "repadapter"])
def test_stochastic_depth_rises_from_block_to_block(name: str) -> None:
    values: dict[str, Any] = {"bottleneck": 4, "scale": 1.0} if name == "repadapter" else {}
    model: Any = METHODS[name].of({**values, "drop_path": 0.5}).build(make_tiny_backbone(), 5)
    rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in model.backbone.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_draws_of_the_given_backbone_are_left_out() -> None:
    backbone = make_tiny_backbone(
        proj_drop_rate=0.5, attn_drop_rate=0.5, pos_drop_rate=0.5, drop_path_rate=0.5
    )
    model = METHODS["bias"].of({}).build(backbone, 5)
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(model.train()(images), model.eval()(images))
