"""Side-Tuning (arXiv:1912.13503) as VPT's tables have it: AlexNet beside the frozen backbone.

The published row begins from AlexNet's weights on ImageNet, a file of torchvision's that this
project does not bring. Without it, AlexNet can begin at random: that is another method.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods.base import Method
from sa2vp.methods.spaces import VPT_SGD_LR, VPT_WEIGHT_DECAY, comparison_space
from search_spaces import Range, TaskSpace

if TYPE_CHECKING:
    from torch import Tensor

    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


RANDOM = "random"


class SideTune(Method):
    """AlexNet and a projection of its features, mixed with the backbone's, and a head."""

    name: ClassVar[str] = "sidetune"
    optimizer: ClassVar[str] = "sgd"

    side_weights: str | None = Field(
        None, description="torchvision's AlexNet, a file, or random, which was not published."
    )

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give VPT's grid."""
        ranges: dict[str, Range] = {"lr": VPT_SGD_LR, "weight_decay": VPT_WEIGHT_DECAY}
        return comparison_space(suite, task, backbone, ranges, lr=0.025, weight_decay=1e-4)

    def initial_arrays(self) -> Mapping[str, Tensor]:
        """Read AlexNet's convolutions.

        Raises:
            HyperparameterError: no file was given, or it is not AlexNet's.
        """
        from sa2vp.models.adapted.side import read_side  # noqa: PLC0415 - as the base module says

        if self.side_weights == RANDOM:
            return {}
        if self.side_weights is None:
            raise HyperparameterError(
                "side_weights",
                "sidetune begins from AlexNet's weights: give torchvision's "
                f"alexnet-owt-7be5be79.pth as side_weights, or {RANDOM!r}, which was not published",
            )
        try:
            return read_side(Path(self.side_weights))
        except ValueError as error:
            raise HyperparameterError("side_weights", f"side_weights: {error}") from error

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put AlexNet beside the backbone."""
        from sa2vp.models.adapted import own_backbone  # noqa: PLC0415 - as the base module says
        from sa2vp.models.adapted.side import SideTuned  # noqa: PLC0415

        return SideTuned(own_backbone(backbone), num_classes)
