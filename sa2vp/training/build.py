"""From a task, a backbone and settings to a run that is ready to train."""

from __future__ import annotations

import torch

from sa2vp.data.loading import load_task
from sa2vp.data.splits import Split
from sa2vp.data.tasks import Task
from sa2vp.data.transforms import Normalise
from sa2vp.models import Backbone, create_sa2vp
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import Examples, TrainingRun
from sa2vp.training.settings import SA2VPSettings


def build_run(
    task: Task,
    backbone: Backbone,
    settings: SA2VPSettings,
    *,
    test: bool,
    precision: str = "auto",
    device: torch.device | None = None,
) -> TrainingRun:
    """Seed every generator and set up SA2VP's training on a task.

    Args:
        task: its splits are loaded.
        backbone: frozen; may be shared by several runs.
        settings: of the run.
        test: evaluate on the test split after every epoch, as final runs do.
        precision: of the forward pass, one of :data:`~sa2vp.training.settings.PRECISIONS`.
        device: where to train; by default the GPU if there is one, else the CPU.
    """
    data = load_task(task)
    seed_everything(settings.seed)
    model = create_sa2vp(
        backbone,
        num_classes=task.num_classes,
        inter_dim=settings.inter_dim,
        inter_weight=settings.inter_weight,
        fusion=settings.fusion,
        dropout=settings.dropout,
    )
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return TrainingRun(
        model,
        settings,
        train=as_examples(data.train),
        val=as_examples(data.val),
        test=as_examples(data.test) if test else None,
        prepare=Normalise(input_size(backbone)),
        device=device,
        precision=precision,
    )


def as_examples(split: Split) -> Examples:
    """View a split's arrays as tensors."""
    return Examples(torch.from_numpy(split.images), torch.from_numpy(split.labels))


def input_size(backbone: Backbone) -> tuple[int, int]:
    """Give the height and width in pixels that a backbone was built for."""
    height, width = backbone.patch_embed.img_size
    return height, width
