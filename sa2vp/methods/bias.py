"""Bias: the backbone's biases are learned (BitFit, arXiv:2106.10199; TinyTL, arXiv:2007.11622)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.spaces import VPT_WEIGHT_DECAY, comparison_space
from search_spaces import LogUniform, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class Bias(Method):
    """Every array of the backbone with ``bias`` in its name, and a head.

    So VPT's code chooses them. On a Swin, the tables of relative position biases are among them.
    """

    name: ClassVar[str] = "bias"

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give VPT's grid, with the learning rates up to 1e-2 that Mai et al. (2024) add."""
        ranges: dict[str, Range] = {"lr": LogUniform(1e-4, 1e-2), "weight_decay": VPT_WEIGHT_DECAY}
        return comparison_space(suite, task, backbone, ranges, lr=1e-3, weight_decay=1e-4)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Copy the arrays that are learned."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says

        own = adapted.own_backbone(backbone, lambda name: "bias" in name)
        return adapted.Adapted(own, num_classes)
