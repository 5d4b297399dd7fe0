"""Partial-1: the last block is learned, as VPT's tables have it (arXiv:2203.12119, section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.spaces import VPT_ADAMW_LR, VPT_WEIGHT_DECAY, comparison_space
from search_spaces import Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class Partial1(Method):
    """The last block (of a Swin, that of the last stage), the final norm, and a head."""

    name: ClassVar[str] = "partial-1"

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give VPT's grid."""
        ranges: dict[str, Range] = {"lr": VPT_ADAMW_LR, "weight_decay": VPT_WEIGHT_DECAY}
        return comparison_space(suite, task, backbone, ranges, lr=1e-3, weight_decay=1e-4)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Copy the arrays that are learned."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says

        last = adapted.blocks_of(backbone)[-1]
        prefix = next(f"{name}." for name, module in backbone.named_modules() if module is last)
        own = adapted.own_backbone(backbone, lambda name: name.startswith((prefix, "norm.")))
        return adapted.Adapted(own, num_classes)
