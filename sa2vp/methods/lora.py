"""LoRA (arXiv:2106.09685): a low-rank matrix is added to the frozen projection to q, k and v.

As NOAH's tables have it (arXiv:2206.04673), it is one product for the joint projection, without the
factor alpha / r. NOAH's code draws A from uniform +-1 / sqrt(r); here it is LoRA's own, +-1 /
sqrt(D).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from sa2vp.methods.base import Method
from sa2vp.methods.fields import MAX_DIM
from sa2vp.methods.spaces import RERUN_LR, RERUN_WEIGHT_DECAY, comparison_space
from search_spaces import Choice, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class LoRA(Method):
    """Two thin matrices beside the projection to q, k and v of each block, and a head."""

    name: ClassVar[str] = "lora"
    on_swin: ClassVar[bool] = False

    rank: int = Field(ge=1, le=MAX_DIM, description="Channels between LoRA's two matrices.")

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give the grid of Mai et al. (2024); NOAH's values come first."""
        ranges: dict[str, Range] = {
            "rank": Choice(1, 8, 16, 32),
            "lr": RERUN_LR,
            "weight_decay": RERUN_WEIGHT_DECAY,
        }
        first = {"rank": 8, "lr": 1e-3, "weight_decay": 1e-4}
        return comparison_space(suite, task, backbone, ranges, **first)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put the matrices beside the projections."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says

        own = adapted.own_backbone(backbone)
        for block in own.blocks:
            block.attn.qkv = adapted.LowRank(block.attn.qkv, self.rank)
        return adapted.Adapted(own, num_classes)
