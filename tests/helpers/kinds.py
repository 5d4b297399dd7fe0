"""Every method of the project on the tiny backbones that it is defined on."""

from __future__ import annotations

from typing import Any

import torch
from tiny import make_tiny_backbone, make_tiny_swin

from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods import METHODS
from sa2vp.models.learned import LearnedArrays
from sa2vp.models.suitability import Backbone
from sa2vp.training.configuration import RunConfiguration

BACKBONES = {"vit": (make_tiny_backbone, 16), "swin": (make_tiny_swin, 24)}

OWN: dict[str, dict[str, Any]] = {
    "sa2vp": {"inter_dim": 4, "inter_weight": 0.5},
    "sidetune": {"side_weights": "random"},
    "adapter": {"bottleneck": 3},
    "adapter-vpt": {"reduction": 8},
    "adaptformer": {"bottleneck": 8, "scale": 0.5},
    "vpt-shallow": {"prompt_length": 2},
    "vpt-deep": {"prompt_length": 2},
    "lora": {"rank": 2},
    "repadapter": {"bottleneck": 4, "scale": 0.5},
}
"""Values of hyperparameters that have no default."""


def configured(name: str, **values: Any) -> RunConfiguration:
    """Configure a run of a method."""
    given = {"lr": 1e-2, "batch_size": 4, **OWN.get(name, {}), **values}
    return RunConfiguration.of(METHODS[name], given, epochs=1, seed=0)


def without_draws(name: str) -> RunConfiguration:
    """Configure one that computes the same in training as in evaluation, but for a BatchNorm."""
    known = METHODS[name].model_fields
    return configured(name, **{rate: 0.0 for rate in ("dropout", "drop_path") if rate in known})


def suits(name: str, kind: str) -> bool:
    """Tell whether a method is defined on a kind of backbone."""
    try:
        configured(name).method.check_backbone(BACKBONES[kind][0]())
    except HyperparameterError as error:
        assert error.name == "method"  # noqa: PT017 - any other refusal is a mistake here
        return False
    return True


CASES = [(name, kind) for name in METHODS for kind in BACKBONES if suits(name, kind)]


def made(
    name: str, kind: str, run: RunConfiguration | None = None, backbone: Backbone | None = None
) -> tuple[LearnedArrays, torch.Tensor]:
    """Make a model for 5 classes, and 4 images."""
    build, size = BACKBONES[kind]
    torch.manual_seed(0)
    model = (run or configured(name)).method.build(backbone or build(), num_classes=5)
    return model, torch.randn(4, 3, size, size)
