"""Whether the models compute what the plain algorithm computes in float32 on the CPU.

The plain algorithm (``sa2vp/models/plain.py``) is held to the published code's golden values by the
tests; here it stands for them, so that no file of arrays is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from sa2vp.doctor.models import MODELS, Published, batch, gradients
from sa2vp.doctor.report import Line, judged
from sa2vp.models.fast.dropout import dropout
from sa2vp.training.configuration import PRECISIONS
from sa2vp.training.precision import MixedPrecision, choose_precision

CHECK = "agreement"
CPU = torch.device("cpu")

LOSS = {"float32": 1e-5, "tf32": 5e-3, "bfloat16": 2e-2, "float16": 5e-3}
"""How far a loss may be from the plain algorithm's, relative."""

ANGLE = {"float32": 1e-6, "tf32": 1e-3, "bfloat16": 2e-2, "float16": 1e-3}
"""How much the cosine of both gradients may lack of 1."""


def compare_models(device: torch.device, images: int) -> Iterator[Line]:
    """Compare losses and gradients in every precision of the device, in training mode."""
    for model in MODELS:
        expected = _loss_and_gradients(model, CPU, "float32", images, plain=True)
        for precision in PRECISIONS[1:]:
            try:
                choose_precision(precision, device)
            except ValueError:
                continue
            found = _loss_and_gradients(model, device, precision, images)
            yield _compared(f"{model.name}, {precision}", precision, expected, found)


def _compared(
    what: str,
    precision: str,
    expected: tuple[float, torch.Tensor],
    found: tuple[float, torch.Tensor],
) -> Line:
    loss = abs(found[0] - expected[0]) / abs(expected[0])
    cosine = torch.cosine_similarity(found[1].double(), expected[1].double(), dim=0).item()
    good = loss <= LOSS[precision] and 1 - cosine <= ANGLE[precision]
    text = f"loss differs by {loss:.0e} of itself, cosine of the gradients 1 - {1 - cosine:.0e}"
    return judged(CHECK, what, text, good=good)


def _loss_and_gradients(
    published: Published, device: torch.device, name: str, images: int, *, plain: bool = False
) -> tuple[float, torch.Tensor]:
    precision = MixedPrecision(name, device)
    model = published.make(device)
    inputs, targets = batch(images, device)
    while True:
        model.zero_grad()
        loss = published.loss(model, inputs, targets, precision, plain=plain)
        precision.backward(loss)
        found, scale = gradients(model), precision.state().get("scale", 1.0)
        if bool(found.isfinite().all()) or scale <= 1:
            return loss.item(), found / scale
        precision.restore(precision.state() | {"scale": scale / 2})  # as training would


def compare_dropout(device: torch.device) -> Iterator[Line]:
    """See that dropout keeps its share and its mean, and that gradients pass where it kept."""
    rate = 0.1
    x = torch.ones(2**20, device=device, requires_grad=True)
    out = dropout(x, rate, training=True)
    out.sum().backward()
    kept = (out > 0).float().mean().item()
    assert x.grad is not None  # noqa: S101 - for the type checker
    good = abs(kept - 0.9) < 5e-3 and torch.equal(x.grad, out.detach())
    yield judged(CHECK, "dropout of 0.1", f"{100 * kept:.1f} % are kept", good=good)
