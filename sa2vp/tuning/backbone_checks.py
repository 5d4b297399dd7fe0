"""The backbone that options name, looked at as the trials will see it. Imports PyTorch and timm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sa2vp.config import SearchConfig
from sa2vp.hyperparameters import HyperparameterError
from sa2vp.models import load_backbone
from sa2vp.models.backbones import check_backbone_name
from sa2vp.models.fingerprint import fingerprint
from sa2vp.models.suitability import BackboneError, ImageSizeError
from sa2vp.options import OptionError
from sa2vp.training.configuration import RunConfiguration
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_checks import refused


def check_backbone(
    plan: SearchPlan, configurations: Mapping[str, Sequence[RunConfiguration]]
) -> int:
    """Load the backbone; give the height and width of its input in pixels.

    Args:
        plan: to be followed.
        configurations: of each task, which the backbone has to fit.

    Raises:
        OptionError: names the option that does not fit.
    """
    config = plan.config
    try:
        check_backbone_name(config.backbone)
    except BackboneError as error:
        raise OptionError("--backbone", str(error)) from error
    try:
        backbone = load_backbone(config.backbone, config.checkpoint, config.image_size)
    except ImageSizeError as error:
        raise OptionError("--image-size", str(error)) from error
    except BackboneError as error:
        option = "--backbone" if config.checkpoint is None else "--checkpoint"
        raise OptionError(option, str(error)) from error
    for task, of_task in configurations.items():
        for one in of_task:
            try:
                one.method.check_backbone(backbone)
            except HyperparameterError as error:
                raise refused(plan, task, error) from error
    return int(backbone.patch_embed.img_size[0])


def fingerprint_of(config: SearchConfig) -> str:
    """Give the fingerprint of the backbone's weights."""
    return fingerprint(load_backbone(config.backbone, config.checkpoint, config.image_size))
