"""A run that takes seconds: the demo's backbone on images drawn at random."""

from __future__ import annotations

import torch

from sa2vp.data.images.batches import TensorExamples
from sa2vp.data.images.normalise import Normalise
from sa2vp.methods.sa2vp import SA2VP
from sa2vp.models import load_backbone
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import TrainingRun

CLASSES, SIZE = 4, 32


def examples(count: int, seed: int) -> TensorExamples:
    """Draw images whose brightness gives their class away."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, CLASSES, (count,), generator=generator)
    noise = torch.randint(0, 80, (count, 3, SIZE, SIZE), generator=generator)
    return TensorExamples((noise + 55 * targets[:, None, None, None]).to(torch.uint8), targets)


def make_run(
    device: torch.device, dropout: float = 0.0, precision: str = "float32", epochs: int = 3
) -> TrainingRun:
    """Make the run, the same every time on a device."""
    values = {"inter_dim": 8, "inter_weight": 0.5, "lr": 5e-3, "batch_size": 32, "dropout": dropout}
    configuration = RunConfiguration.of(SA2VP, values, epochs=epochs, seed=1)
    backbone = load_backbone("demo")
    seed_everything(configuration.seed)
    return TrainingRun(
        configuration.method.build(backbone, CLASSES),
        configuration,
        train=examples(128, seed=1),
        val=examples(128, seed=2),
        test=examples(128, seed=3),
        prepare=Normalise((SIZE, SIZE)),
        device=device,
        precision=precision,
    )
