"""Full fine-tuning: the whole backbone is learned, as VPT's tables have it (arXiv:2203.12119)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.fields import Dropout
from sa2vp.methods.spaces import VPT_ADAMW_LR, VPT_WEIGHT_DECAY, comparison_space
from search_spaces import Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class Full(Method):
    """Every array of the backbone, and a head. Dropout is drawn in a ViT alone."""

    name: ClassVar[str] = "full"

    dropout: Dropout = 0.1

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give VPT's grid."""
        ranges: dict[str, Range] = {"lr": VPT_ADAMW_LR, "weight_decay": VPT_WEIGHT_DECAY}
        return comparison_space(suite, task, backbone, ranges, lr=1e-4, weight_decay=1e-4)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Copy the backbone, and learn all of it."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says

        own = adapted.own_backbone(backbone, lambda _: True)
        adapted.set_vit_dropout(own, self.dropout)
        return adapted.Adapted(own, num_classes)
