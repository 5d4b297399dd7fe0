"""The CPU dropout against what dropout must do, by counting."""

from __future__ import annotations

import pytest
import torch

from sa2vp.models.fast.dropout import dropout


@pytest.mark.parametrize("shape", [(1_000_003,), (250, 40, 100)])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_drops_the_share_and_keeps_the_mean(shape: tuple[int, ...], rate: float) -> None:
    torch.manual_seed(0)
    ones = torch.ones(shape)
    dropped = dropout(ones, rate, training=True)
    assert (dropped == 0).double().mean().item() == pytest.approx(rate, abs=2e-3)
    assert dropped.double().mean().item() == pytest.approx(1, abs=5e-3)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-4)


def test_neighbouring_elements_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = dropout(torch.ones(400_000), 0.3, training=True).view(-1, 4) == 0
    both = (dropped[:, :, None] & dropped[:, None, :]).double().mean(0)
    expected = torch.full((4, 4), 0.09, dtype=torch.float64).fill_diagonal_(0.3)
    torch.testing.assert_close(both, expected, atol=5e-3, rtol=0)


def test_gradient_follows_the_same_mask() -> None:
    x = torch.randn(1000, requires_grad=True)
    y = dropout(x, 0.1, training=True)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x, y)


def test_is_the_identity_outside_training_and_at_rate_zero() -> None:
    x = torch.randn(10)
    assert dropout(x, 0.9, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_follows_the_seed_and_keeps_the_type() -> None:
    x = torch.randn(100, dtype=torch.bfloat16)
    first, second = ((torch.manual_seed(s), dropout(x, 0.5, training=True))[1] for s in (3, 3))
    assert first.dtype == torch.bfloat16
    assert torch.equal(first, second)
