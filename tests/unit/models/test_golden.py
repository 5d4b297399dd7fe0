"""Every published model against what the published code computes (tests/golden/*.npz).

``pytest tests/unit/models/test_golden.py --log-cli-level=INFO`` prints how close they come, and how
much of the fusions' output training drops, which these files, of evaluation mode, cannot tell.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import closed_form
import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from sa2vp.methods.optimizers import build_adamw
from sa2vp.models import SA2VP, create_sa2vp
from sa2vp.models.objective import sa2vp_loss

logger = logging.getLogger(__name__)

OUTPUTS = ("image_features", "prompt_features", "image_logits", "prompt_logits")


@dataclass(frozen=True)
class Published:
    """One golden file: the model it was computed with, and how close the outputs must come."""

    file: str
    backbone: str
    fusion: str
    inter_weight: float
    learned: int
    output_limit: float


MODELS = [
    Published("vit_b16_inter_dim8_weight0.1", "vit-b16", "exact", 0.1, 202_200, 1e-4),
    Published("vit_b16_acc_inter_dim8_weight0.1", "vit-b16", "acc", 0.1, 202_200, 1e-4),
    Published("swin_b_inter_dim8_weight0.5", "swin-b", "exact", 0.5, 201_488, 2e-4),
]


def relative(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest error relative to the largest expected magnitude."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def backbone_file(backbone: str, folder: Path) -> Path:
    """Write the closed-form weights as users have them: JAX's layout, or Swin's official one."""
    if backbone == "vit-b16":
        path = folder / "imagenet21k_ViT-B_16.npz"
        np.savez(path, **closed_form.vit_b16_npz())
    else:
        path = folder / "swin_base_patch4_window7_224_22k.pth"
        torch.save({"model": closed_form.swin_b_state_dict()}, path)
    return path


@pytest.fixture(scope="module", params=MODELS, ids=lambda published: published.file)
def published(request: pytest.FixtureRequest) -> Published:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def golden(published: Published) -> dict[str, np.ndarray]:
    with np.load(closed_form.GOLDEN / f"{published.file}.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def loaded(published: Published, tmp_path_factory: pytest.TempPathFactory) -> SA2VP:
    checkpoint = backbone_file(published.backbone, tmp_path_factory.mktemp("backbone"))
    model = create_sa2vp(
        published.backbone,
        checkpoint,
        num_classes=10,
        inter_dim=8,
        inter_weight=published.inter_weight,
        fusion=published.fusion,
    )
    checkpoint.unlink()
    return model.eval()


@pytest.fixture
def model(loaded: SA2VP) -> SA2VP:
    """Give the model with its closed-form arrays, whatever an earlier test did to them."""
    return closed_form_arrays(loaded)


def closed_form_arrays(model: SA2VP) -> SA2VP:
    names = model.trainable_state_dict()
    model.load_trainable_state_dict(
        {name: closed_form.learned(name, tuple(array.shape)) for name, array in names.items()}
    )
    model.zero_grad()
    return model.eval()


@dataclass(frozen=True)
class Steps:
    """What three steps of AdamW computed.

    Attributes:
        outputs: before the first step, in the order of OUTPUTS.
        gradients: of the first step, by parameter.
        losses: before each step and after the last.
    """

    outputs: tuple[torch.Tensor, ...]
    gradients: dict[str, torch.Tensor | None]
    losses: list[float]


@pytest.fixture(scope="module")
def steps(loaded: SA2VP) -> Steps:
    model, images = closed_form_arrays(loaded), closed_form.images()
    optimizer = build_adamw(model, lr=1e-3, weight_decay=1e-4)
    with torch.no_grad():
        features = model.forward_features(images)
    seen = []
    for step in range(4):
        logits = model(images)
        loss = sa2vp_loss(logits, closed_form.TARGETS)
        seen.append(loss.item())
        if step == 3:
            break
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            outputs = (*features, *(one.detach() for one in logits))
            gradients = {
                name: None if parameter.grad is None else parameter.grad.clone()
                for name, parameter in model.named_parameters()
            }
        optimizer.step()
    return Steps(outputs, gradients, seen)


def test_closed_form_draws_the_stated_first_values() -> None:
    np.testing.assert_allclose(
        closed_form.images().flatten()[:3], [-0.20566559, 0.33128712, -0.1753675], rtol=1e-6
    )
    prompt = closed_form.learned("prompt", (1, 197, 8)).flatten()[:3]
    np.testing.assert_allclose(prompt, [-0.03887899, -0.6450465, 0.08651105], rtol=1e-6)


def test_learned_arrays_are_exactly_the_published_ones(
    model: SA2VP, published: Published, golden: dict[str, np.ndarray]
) -> None:
    names = {key.removeprefix("grad_norm/") for key in golden if key.startswith("grad_norm/")}
    assert model.trainable_state_dict().keys() == names
    assert model.count_learned() == golden["trainable"] == published.learned


def test_outputs_and_loss(
    steps: Steps, published: Published, golden: dict[str, np.ndarray]
) -> None:
    errors = {
        name: relative(actual.numpy(), golden[name])
        for name, actual in zip(OUTPUTS, steps.outputs, strict=True)
    }
    logger.info("largest relative error of the outputs: %.1e", max(errors.values()))
    assert max(errors.values()) <= published.output_limit, errors
    assert steps.losses[0] == pytest.approx(golden["loss"].item(), rel=1e-4)


def test_gradients(steps: Steps, loaded: SA2VP, golden: dict[str, np.ndarray]) -> None:
    frozen = {name for name, gradient in steps.gradients.items() if gradient is None}
    assert frozen == {n for n, p in loaded.named_parameters() if not p.requires_grad}
    errors = {}
    for name, gradient in steps.gradients.items():
        if gradient is not None:
            norm = gradient.norm().item()
            errors[name] = abs(norm / golden[f"grad_norm/{name}"].item() - 1)
            head = gradient.flatten()[:8].numpy()
            assert np.abs(head - golden[f"grad_head/{name}"]).max() <= 1e-3 * norm, name
    logger.info("largest relative error of a gradient norm: %.1e", max(errors.values()))
    assert max(errors.values()) <= 1e-3, errors


def test_adamw_steps(steps: Steps, golden: dict[str, np.ndarray]) -> None:
    assert len(steps.losses) == len(golden["adamw_losses"])
    error = np.abs(steps.losses / golden["adamw_losses"] - 1).max()
    logger.info("largest relative error of a loss over three AdamW steps: %.1e", error)
    assert error <= 1e-2


@torch.no_grad()
def test_training_drops_a_tenth_of_the_fusions_output(model: SA2VP) -> None:
    torch.manual_seed(0)
    zeros: list[torch.Tensor] = []
    hooks = [
        fusion.register_forward_hook(lambda _, __, out: zeros.append((out == 0).flatten()))
        for fusion in model.fusion
    ]
    for mode, share in ((True, 0.1), (False, 0.0)):
        zeros.clear()
        model.train(mode)(closed_form.images())
        dropped = torch.cat(zeros).double().mean().item()
        logger.info("exact zeros in the fusions' output, training=%s: %.2f %%", mode, 100 * dropped)
        assert dropped == pytest.approx(share, abs=0.002)
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize(
    ("inter_dim", "expected"), [(8, 202_200), (16, 372_912), (32, 714_336), (64, 1_397_184)]
)
def test_learned_parameters_of_the_paper(inter_dim: int, expected: int) -> None:
    with torch.device("meta"):
        model = create_sa2vp(VisionTransformer(num_classes=0), inter_dim=inter_dim)
    assert model.count_learned() == expected
