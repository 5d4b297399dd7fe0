"""A small run for the training tests, and its losses from the command line.

``python runs.py <epochs> <load> <save>`` writes one line of exact metrics per epoch, in a process
of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tiny import make_tiny_backbone

from sa2vp.data.images.batches import TensorExamples
from sa2vp.data.images.normalise import Normalise
from sa2vp.methods.sa2vp import SA2VP
from sa2vp.models.learned import LearnedArrays
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import TrainingRun


def examples(count: int, seed: int) -> TensorExamples:
    """Draw random images whose brightness gives their class away."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 4, (count,), generator=generator)
    noise = torch.randint(0, 80, (count, 3, 16, 16), generator=generator)
    return TensorExamples((noise + 55 * targets[:, None, None, None]).to(torch.uint8), targets)


def make_run(
    *,
    train: int = 35,
    val: int = 20,
    test: bool = False,
    precision: str = "float32",
    wrap: Callable[[LearnedArrays], LearnedArrays] = lambda model: model,
    epochs: int = 4,
    seed: int = 5,
    test_every: int = 0,
    **overrides: float,
) -> TrainingRun:
    values = {"inter_dim": 4, "inter_weight": 0.5, "lr": 1e-2, "batch_size": 8} | overrides
    configuration = RunConfiguration.of(SA2VP, values, epochs=epochs, seed=seed)
    seed_everything(seed)
    return TrainingRun(
        wrap(configuration.method.build(make_tiny_backbone(), num_classes=4)),
        configuration,
        train=examples(train, seed=1),
        val=examples(val, seed=2),
        test=examples(20, seed=3) if test else None,
        prepare=Normalise((16, 16)),
        device=torch.device("cpu"),
        precision=precision,
        test_every=test_every,
    )


def lines(epochs: int, *, load: Path | None = None, save: Path | None = None) -> list[str]:
    """Train some epochs from the start or a checkpoint; gives the exact metrics of each."""
    run = make_run()
    if load is not None:
        run.restore(load)
    found = []
    for _ in range(epochs):
        metrics = run.run_epoch()
        found.append(f"{metrics.epoch} {metrics.train_loss} {metrics.val_loss} {metrics.lr}")
    if save is not None:
        run.save(save)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in lines(int(sys.argv[1]), load=Path(sys.argv[2]), save=Path(sys.argv[3])):
        sys.stdout.write(f"{line}\n")
