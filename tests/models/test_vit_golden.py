"""SA2VP on ViT-B/16 against what the published code computes (tests/data/*.npz).

``pytest tests/models/test_vit_golden.py --log-cli-level=INFO`` prints how close it comes.
"""

from __future__ import annotations

import logging

import closed_form
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sa2vp.models import SA2VPViT, create_sa2vp
from sa2vp.training.objective import sa2vp_loss
from sa2vp.training.optimizer import build_adamw

logger = logging.getLogger(__name__)

OUTPUTS = ("image_features", "prompt_features", "image_logits", "prompt_logits")


def relative(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest error relative to the largest expected magnitude."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(closed_form.GOLDEN / "vit_b16_inter_dim8_weight0.1.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SA2VPViT:
    checkpoint = tmp_path_factory.mktemp("backbone") / "imagenet21k_ViT-B_16.npz"
    np.savez(checkpoint, **closed_form.vit_b16_npz())
    model = create_sa2vp("vit-b16", checkpoint, num_classes=10, inter_dim=8, inter_weight=0.1)
    checkpoint.unlink()
    return model.eval()


@pytest.fixture(autouse=True)
def closed_form_arrays(model: SA2VPViT) -> None:
    names = model.trainable_state_dict()
    model.load_trainable_state_dict(
        {name: closed_form.learned(name, tuple(array.shape)) for name, array in names.items()}
    )
    model.zero_grad()


def test_closed_form_draws_the_stated_first_values() -> None:
    np.testing.assert_allclose(
        closed_form.images().flatten()[:3], [-0.20566559, 0.33128712, -0.1753675], rtol=1e-6
    )
    prompt = closed_form.learned("prompt", (1, 197, 8)).flatten()[:3]
    np.testing.assert_allclose(prompt, [-0.03887899, -0.6450465, 0.08651105], rtol=1e-6)


def test_learned_arrays_are_exactly_the_published_ones(
    model: SA2VPViT, golden: dict[str, np.ndarray]
) -> None:
    published = {key.removeprefix("grad_norm/") for key in golden if key.startswith("grad_norm/")}
    assert model.trainable_state_dict().keys() == published
    assert model.count_learned() == golden["trainable"] == 202_200


def test_outputs_and_loss(model: SA2VPViT, golden: dict[str, np.ndarray]) -> None:
    with torch.no_grad():
        features = model.forward_features(closed_form.images())
        logits = model(closed_form.images())
    errors = {
        name: relative(actual.numpy(), golden[name])
        for name, actual in zip(OUTPUTS, (*features, *logits), strict=True)
    }
    logger.info("largest relative error of the outputs: %.1e", max(errors.values()))
    assert max(errors.values()) <= 1e-4, errors
    assert sa2vp_loss(logits, closed_form.TARGETS).item() == pytest.approx(
        golden["loss"].item(), rel=1e-4
    )


def test_gradients(model: SA2VPViT, golden: dict[str, np.ndarray]) -> None:
    image_logits, prompt_logits = model(closed_form.images())
    cross_entropies = [
        F.cross_entropy(logits, closed_form.TARGETS) for logits in (image_logits, prompt_logits)
    ]
    (0.8 * cross_entropies[0] + 0.2 * cross_entropies[1]).backward()
    errors = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None, name
        norm = parameter.grad.norm().item()
        errors[name] = abs(norm / golden[f"grad_norm/{name}"].item() - 1)
        head = parameter.grad.flatten()[:8].numpy()
        assert np.abs(head - golden[f"grad_head/{name}"]).max() <= 1e-3 * norm, name
    logger.info("largest relative error of a gradient norm: %.1e", max(errors.values()))
    assert max(errors.values()) <= 1e-3, errors


def test_adamw_steps(model: SA2VPViT, golden: dict[str, np.ndarray]) -> None:
    optimizer = build_adamw(model, lr=1e-3, weight_decay=1e-4)
    losses = []
    for _ in golden["adamw_losses"]:
        loss = sa2vp_loss(model(closed_form.images()), closed_form.TARGETS)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = np.abs(losses / golden["adamw_losses"] - 1).max()
    logger.info("largest relative error of a loss over three AdamW steps: %.1e", error)
    assert error <= 1e-2


@pytest.mark.parametrize(
    ("inter_dim", "expected"), [(8, 202_200), (16, 372_912), (32, 714_336), (64, 1_397_184)]
)
def test_learned_parameters_of_the_paper(model: SA2VPViT, inter_dim: int, expected: int) -> None:
    wider = create_sa2vp(model.backbone, inter_dim=inter_dim)
    assert wider.count_learned() == expected
