"""The head computes in float32, whatever its features were computed in."""

from __future__ import annotations

import pytest
import torch
from tiny import make_tiny_backbone
from torch.nn import functional as F

from sa2vp.models.head import Head
from sa2vp.models.linear_probe import LinearProbe


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_features_of_any_type_are_classified_in_float32(dtype: torch.dtype) -> None:
    head = Head(8, 5)
    features = torch.randn(3, 8).to(dtype)
    expected = F.linear(features.float(), head.weight, head.bias)
    assert torch.equal(head(features), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(head(features), expected)


def test_its_gradients_are_those_of_float32() -> None:
    head, features = Head(8, 5), torch.randn(3, 8).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        squares = head(features).square().sum()
    squares.backward()
    logits = F.linear(features.detach().float(), head.weight, head.bias).detach()
    assert head.weight.grad is not None
    torch.testing.assert_close(head.weight.grad, 2 * logits.T @ features.detach().float())
    assert features.grad is not None
    assert features.grad.dtype == torch.bfloat16


def test_the_linear_probe_has_the_same_head() -> None:
    probe, features = LinearProbe(make_tiny_backbone(), 5), torch.randn(3, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = probe(features)
    assert torch.equal(logits, F.linear(features, probe.head.weight, probe.head.bias))
