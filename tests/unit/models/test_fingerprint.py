"""The fingerprint: one value for equal weights, another for any change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import torch
from tiny import make_tiny_backbone
from torch import nn

from sa2vp.models import create_sa2vp, load_backbone
from sa2vp.models.fingerprint import fingerprint


class Arrays(nn.Module):
    """The given buffers, in the given order."""

    def __init__(self, **arrays: torch.Tensor) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, array)


TWO = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([3], dtype=torch.int64)}


def test_it_is_a_digest_of_name_shape_type_and_bytes() -> None:
    content = (
        b"'a' (1, 2) torch.float32\n" + bytes.fromhex("0000803f00000040")
        + b"'b' (1,) torch.int64\n" + bytes.fromhex("0300000000000000")
    )  # fmt: skip
    assert fingerprint(Arrays(**TWO)) == hashlib.sha256(content).hexdigest()[:16]


def test_neither_the_order_nor_the_layout_in_memory_matters() -> None:
    expected = fingerprint(Arrays(**TWO))
    assert fingerprint(Arrays(b=TWO["b"], a=TWO["a"])) == expected
    strided = torch.tensor([[1.0, 9.0, 2.0, 9.0]])[:, ::2]
    assert fingerprint(Arrays(a=strided, b=TWO["b"])) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a + 1e-6,
        lambda a: a.view(2, 1),
        lambda a: a.view(torch.int32),
        lambda a: a.to(torch.bfloat16),
        lambda a: a[:, :0],
    ],
)
def test_every_change_of_an_array_shows(change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert fingerprint(Arrays(**TWO | {"a": change(TWO["a"])})) != fingerprint(Arrays(**TWO))


def test_a_name_shows() -> None:
    assert fingerprint(Arrays(a=TWO["a"], c=TWO["b"])) != fingerprint(Arrays(**TWO))


def test_a_model_leaves_its_backbone_s_as_it_was() -> None:
    backbone = make_tiny_backbone()
    before = fingerprint(backbone)
    model = create_sa2vp(backbone, num_classes=3).train()
    model(torch.zeros(2, 3, 16, 16))[0].sum().backward()
    assert fingerprint(backbone) == before == fingerprint(make_tiny_backbone())


def test_a_backbone_loaded_twice_has_one() -> None:
    assert fingerprint(load_backbone("demo")) == fingerprint(load_backbone("demo"))
