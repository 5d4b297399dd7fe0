"""From a task, a backbone and a configuration to a run that is ready to train."""

from __future__ import annotations

import torch
from torch import Tensor

from sa2vp.data.errors import DataError
from sa2vp.data.fingerprint import Manifest
from sa2vp.data.images.normalise import Normalise
from sa2vp.data.options import DataOptions
from sa2vp.data.run_images import open_images
from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods.base import Method
from sa2vp.models import Backbone
from sa2vp.suites import Task
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.features import FeatureKeeper, Prepare
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import TrainingRun

NO_FILES = DataOptions()
"""For suites that bring their own images."""


def build_run(  # noqa: PLR0913 - what a run is made of
    task: Task,
    backbone: Backbone,
    configuration: RunConfiguration,
    *,
    final: bool,
    data: DataOptions = NO_FILES,
    precision: str = "auto",
    device: torch.device | None = None,
    expected: Manifest | None = None,
    test_every: int = 0,
) -> TrainingRun:
    """Seed every generator and set up a method's training on a task.

    Args:
        task: what is classified.
        backbone: frozen; may be shared by several runs.
        configuration: of the run.
        final: train on the task's final splits and evaluate the test split at the end. Else, as in
            a search, train on train and see train and val alone.
        data: where the task's images come from.
        precision: of the forward pass, one of :data:`~sa2vp.training.configuration.PRECISIONS`.
        device: where to train; by default the GPU if there is one, else the CPU.
        expected: what the images have to be, as :func:`~sa2vp.data.check.check_task` found them.
        test_every: as :class:`~sa2vp.training.run.TrainingRun` takes it.

    Raises:
        DataError: the images cannot be used, or are others than expected; or a file is missing that
            the method starts from.
    """
    size = input_size(backbone)
    images = open_images(task, data, size[0], final=final, expected=expected)
    seed_everything(configuration.seed)
    model = configuration.method.build(backbone, task.num_classes)
    if initial := read_initial(configuration.method):
        model.load_trainable_state_dict(model.trainable_state_dict() | initial)
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prepare: Prepare = Normalise(size)
    if configuration.method.reads_features:
        kept = FeatureKeeper(model, prepare, device, precision)
        images = kept.keep(images)
        prepare = kept.prepare
    return TrainingRun(
        model,
        configuration,
        train=images.train,
        val=images.val,
        test=images.test,
        prepare=prepare,
        device=device,
        precision=precision,
        test_every=test_every,
    )


def read_initial(method: Method) -> dict[str, Tensor]:
    """Read the arrays that a method's learning starts from.

    Raises:
        DataError: this machine lacks their file.
    """
    try:
        return {**method.initial_arrays()}
    except HyperparameterError as error:
        raise DataError(str(error)) from error


def input_size(backbone: Backbone) -> tuple[int, int]:
    """Give the height and width in pixels that a backbone was built for."""
    height, width = backbone.patch_embed.img_size
    return height, width
