"""What training draws, and where: the golden values are of evaluation mode and cannot tell."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from families import FAMILIES, Family, randomised
from torch import Tensor

import sa2vp.models.fast.dropout
import sa2vp.models.fast.mlp
import sa2vp.models.plain
from sa2vp.models import SA2VP
from sa2vp.models.fast.dropout import draw_kept

pytestmark = pytest.mark.parametrize("family", FAMILIES, ids=str)

Shape = tuple[int, ...]
DRAWING = (sa2vp.models.fast.dropout, sa2vp.models.fast.mlp)


def fusion_draws(tokens: int, dim: int) -> list[Shape]:
    """Two images: after the output projection, after the GELU, after ``up``."""
    return [(2, tokens, dim), (2, tokens, 4), (2, tokens, dim)]


def mlp_draws(streams: int, tokens: int = 17) -> list[Shape]:
    """Two images a stream, stacked: after the GELU, after the second Linear."""
    return [(2 * streams * tokens, 96), (2 * streams, tokens, 24)]


DRAWS = {
    "vit": [
        *[(2, 17, 24)] * 2,  # the embeddings of the image and of the prompts
        # Nothing learned precedes the image stream up to block 1: it is not stacked there.
        *[*mlp_draws(1), *mlp_draws(1), *fusion_draws(17, 24)] * 2,
        *[*mlp_draws(3), *fusion_draws(17, 24)],  # the third is a deep prompt
        *[*mlp_draws(2), *fusion_draws(17, 24)],
        *[*mlp_draws(3), *fusion_draws(17, 24)],
        *[*mlp_draws(2, tokens=1), *fusion_draws(1, 24)],  # the class token alone
    ],
    "swin": fusion_draws(36, 16) * 6,
}


def without_stochastic_depth(family: Family, dropout: float) -> SA2VP:
    drop_path = {"drop_path": 0.0} if family.kind == "swin" else {}
    return randomised(family.make(dropout=dropout, num_classes=5, inter_dim=4, **drop_path))


def replace_draws(monkeypatch: pytest.MonkeyPatch, draw: Any) -> None:
    for module in DRAWING:
        monkeypatch.setattr(module, "draw_kept", draw)


def test_dropout_is_drawn_where_the_published_code_draws_it(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Shape] = []

    def recorded(shape: Shape, rate: float, device: torch.device) -> Tensor | None:
        if rate > 0:
            drawn.append(tuple(shape))
        return draw_kept(shape, rate, device)

    replace_draws(monkeypatch, recorded)
    model = without_stochastic_depth(family, 0.1)
    model.train()(family.images(2))
    assert drawn == DRAWS[family.kind]
    drawn.clear()
    model.eval()(family.images(2))
    assert drawn == []


def test_nothing_else_is_drawn(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """No dropout on attention; nothing at all in evaluation and in the backward pass."""
    model = without_stochastic_depth(family, 0.5)
    state = torch.get_rng_state()
    model.eval()(family.images(2))
    assert torch.equal(torch.get_rng_state(), state)

    logits, _ = model.train()(family.images(2))
    state = torch.get_rng_state()
    logits.sum().backward()
    assert torch.equal(torch.get_rng_state(), state)

    replace_draws(monkeypatch, lambda shape, *_: torch.ones(shape, dtype=torch.bool))
    model(family.images(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_training_equals_the_plain_algorithm_under_the_same_draws(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each dropout stands where the plain algorithm has it, in the gradients too."""

    def by_channel(shape: Shape, rate: float, _: torch.device) -> Tensor | None:
        """Keep the same channels of every token, whichever streams are stacked."""
        return None if rate == 0 else (torch.arange(shape[-1]) % 5 != 1).expand(shape).contiguous()

    def by_image(branch: Tensor, keep: float) -> Tensor:
        """Keep the residual branches of one image of the two, in turns from block to block."""
        kept = (torch.arange(len(branch)) + round(40 * keep)) % 2
        return branch.copy_(kept.view(-1, *[1] * (branch.ndim - 1)))

    replace_draws(monkeypatch, by_channel)
    monkeypatch.setattr(Tensor, "bernoulli_", by_image)
    drop_path = {"drop_path": 0.2} if family.kind == "swin" else {}
    model = randomised(family.make(dropout=0.2, inter_weight=0.7, **drop_path)).train()
    images = family.images(2)
    results = []
    for forward in (
        model.forward_features,
        lambda x: sa2vp.models.plain.forward_features(model, x, family.fusion),
    ):
        model.zero_grad()
        features = forward(images)
        sum(f.square().sum() for f in features).backward()  # type: ignore[union-attr]
        gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        results.append((features, gradients))
    (actual, actual_gradients), (expected, expected_gradients) = results
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert actual_gradients.keys() == expected_gradients.keys()
    for name, wanted in expected_gradients.items():
        tolerance = 1e-4 * max(1, wanted.abs().max().item())
        torch.testing.assert_close(actual_gradients[name], wanted, rtol=1e-3, atol=tolerance)
    for one, other in zip(actual, model.eval().forward_features(images), strict=True):
        assert (one - other).norm() > 0.1 * other.norm()  # the draws matter


def test_at_a_rate_of_nine_tenths_so_much_of_a_fusion_is_zero(family: Family) -> None:
    torch.manual_seed(0)
    model = without_stochastic_depth(family, 0.9).train()
    zeros: list[Tensor] = []
    for fusion in model.fusion:
        fusion.register_forward_hook(lambda _, __, out: zeros.append((out == 0).flatten()))
    model(family.images(16))
    assert len(zeros) == 6
    for share in zeros:
        assert share.double().mean().item() == pytest.approx(0.9, abs=0.05)
    assert torch.cat(zeros).double().mean().item() == pytest.approx(0.9, abs=0.01)


def test_the_dropouts_of_the_bottleneck_keep_the_mean(family: Family) -> None:
    """Nothing attended to leaves the two dropouts in which the output is linear."""
    torch.manual_seed(0)
    fusion = without_stochastic_depth(family, 0.5).fusion[1]
    tokens = torch.randn(1, 1, 24 if family.kind == "vit" else 16)
    with torch.no_grad():
        expected = fusion.eval()(torch.zeros_like(tokens), tokens)
        drawn = fusion.train()(torch.zeros(40_000, 1, tokens.shape[2]), tokens)
    off = drawn.mean(0) - expected[0]
    assert (off.abs() < 5 * drawn.std(0) / 40_000**0.5).all()
    assert (drawn.std(0) > 0.1 * expected.abs().mean()).all()
