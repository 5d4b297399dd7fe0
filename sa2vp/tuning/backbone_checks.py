"""The backbone that options name, looked at as the trials will see it. Imports PyTorch and timm."""

from __future__ import annotations

from sa2vp.config import SearchConfig
from sa2vp.models import check_fusion, load_backbone
from sa2vp.models.backbones import check_backbone_name
from sa2vp.models.fingerprint import fingerprint
from sa2vp.models.suitability import BackboneError, ImageSizeError
from sa2vp.options import OptionError


def check_backbone(config: SearchConfig) -> int:
    """Load the backbone; give the height and width of its input in pixels.

    Raises:
        OptionError: names the option that does not fit.
    """
    try:
        check_backbone_name(config.backbone)
    except BackboneError as error:
        raise OptionError("--backbone", str(error)) from error
    try:
        check_fusion(config.fusion)
        backbone = load_backbone(config.backbone, config.checkpoint, config.image_size)
        check_fusion(config.fusion, backbone)
        return int(backbone.patch_embed.img_size[0])
    except ImageSizeError as error:
        raise OptionError("--image-size", str(error)) from error
    except BackboneError as error:
        option = "--backbone" if config.checkpoint is None else "--checkpoint"
        raise OptionError(option, str(error)) from error
    except ValueError as error:
        raise OptionError("--fusion", str(error)) from error


def fingerprint_of(config: SearchConfig) -> str:
    """Give the fingerprint of the backbone's weights."""
    return fingerprint(load_backbone(config.backbone, config.checkpoint, config.image_size))
