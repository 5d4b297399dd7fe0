"""What the models compute on a GPU and not on a CPU, run on a CPU all the same."""

from __future__ import annotations

import pytest
import torch
from timm.layers import Mlp
from tiny import make_tiny_swin
from torch import Tensor, nn

from sa2vp.data.images import normalise
from sa2vp.models.fast import mlp
from sa2vp.models.fast.attention import FUSIONS
from sa2vp.models.fast.dropout import fused_dropout, fused_dropout_gradient
from sa2vp.models.fast.mlp import frozen_mlp
from sa2vp.models.fast.swin_block import FrozenSwinBlock, window_order


def test_fused_dropout_passes_gradients_where_it_kept() -> None:
    torch.manual_seed(0)
    dropped, kept = fused_dropout(torch.ones(10_000), 0.2)
    assert kept is not None
    assert dropped.unique().tolist() == [0.0, 1.25]
    assert kept.float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert torch.equal(fused_dropout_gradient(torch.ones(10_000), kept, 0.2), dropped)
    assert fused_dropout(dropped, 0.0) == (dropped, None)


def test_the_frozen_mlp_with_fused_dropout_is_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    layers = Mlp(8, 32).requires_grad_(False)
    kept = torch.rand(6, 32) < 0.75
    monkeypatch.setattr(mlp, "is_fused", lambda _: True)
    monkeypatch.setattr(torch, "native_dropout", lambda x, rate, _: (x * kept / (1 - rate), kept))
    x = torch.randn(2, 3, 8, requires_grad=True)
    out = frozen_mlp(layers, x, dropout_rate=0.25)
    (found,) = torch.autograd.grad(out.square().sum(), x)
    hidden = nn.functional.gelu(layers.fc1(x)) * kept.view(2, 3, 32) / 0.75
    expected = layers.fc2(hidden)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(found, torch.autograd.grad(expected.square().sum(), x)[0])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_mask_of_a_gpu_is_made_once_and_lies_as_its_kernels_want(fusion: str) -> None:
    aligned = FUSIONS[fusion](3, class_token=True)
    bias = aligned.as_numbers(torch.bfloat16)
    assert aligned.as_numbers(torch.bfloat16) is bias
    assert (bias.dtype, bias.shape, bias.stride(0)) == (torch.bfloat16, aligned.mask.shape, 16)
    assert torch.equal(bias == 0, aligned.mask)
    assert torch.equal(bias == float("-inf"), ~aligned.mask)
    assert aligned.as_numbers(torch.float32).dtype == torch.float32


def test_a_swins_windows_and_bias_are_made_once() -> None:
    swin = make_tiny_swin().requires_grad_(False)
    block = swin.layers[1].blocks[1]
    of_block = (block.input_resolution, block.window_size, block.shift_size, torch.device("cpu"))
    assert window_order(*of_block)[0] is window_order(*of_block)[0]
    frozen = FrozenSwinBlock(block, 0.0)
    expected = block.attn._get_rel_pos_bias() + block.attn_mask[:, None]
    assert torch.equal(frozen.bias(1), expected)
    calls: list[int] = []
    make = block.attn._get_rel_pos_bias

    def counted() -> Tensor:
        calls.append(1)
        made: Tensor = make()
        return made

    block.attn._get_rel_pos_bias = counted
    assert torch.equal(frozen.bias(2), expected.repeat(2, 1, 1, 1))
    assert calls == []
    with torch.no_grad():
        block.attn.relative_position_bias_table.add_(1.0)  # other weights
    assert torch.equal(frozen.bias(1), make() + block.attn_mask[:, None])
    assert calls == [1]
    block.attn.relative_position_bias_table.requires_grad_()  # which training changes
    assert frozen.bias(1).requires_grad


def test_images_are_mirrored_without_asking_which(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.arange(12, dtype=torch.uint8).view(2, 1, 2, 3)
    mirrored = torch.tensor([False, True])
    on_cpu = normalise._mirror(images, mirrored)
    monkeypatch.setattr(torch.Tensor, "nonzero", lambda _: pytest.fail("waited for the GPU"))
    with torch.device("meta"):
        nowhere = normalise._mirror(images.to("meta"), mirrored.to("meta"))
    assert (nowhere.shape, nowhere.dtype) == (images.shape, images.dtype)
    flipped = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    assert torch.equal(on_cpu, flipped)
    assert on_cpu[1, 0].tolist() == [[8, 7, 6], [11, 10, 9]]
