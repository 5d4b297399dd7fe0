"""Adapter as VPT's code has it (arXiv:2203.12119; Pfeiffer et al., arXiv:2005.00247): all zero.

Where all four arrays of a bottleneck begin at 0, a gradient reaches the bias of its output alone,
and so it stays: the weights before it are multiplied by zeros. What VPT's tables call Adapter has
learned 768 numbers a block, whatever the reduction. This method exists to explain that row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from sa2vp.methods.base import Method
from sa2vp.methods.fields import MAX_DIM
from sa2vp.methods.spaces import VPT_ADAMW_LR, VPT_WEIGHT_DECAY, comparison_space
from search_spaces import Choice, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class AdapterVPT(Method):
    """A bottleneck after each block's MLP, its arrays all 0, and a head."""

    name: ClassVar[str] = "adapter-vpt"
    on_swin: ClassVar[bool] = False

    reduction: int = Field(
        ge=1, le=MAX_DIM, description="The backbone's channels over those of an adapter's middle."
    )

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give VPT's grid."""
        ranges: dict[str, Range] = {
            "reduction": Choice(8, 64, 256),
            "lr": VPT_ADAMW_LR,
            "weight_decay": VPT_WEIGHT_DECAY,
        }
        first = {"reduction": 8, "lr": 1e-3, "weight_decay": 1e-4}
        return comparison_space(suite, task, backbone, ranges, **first)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put the adapters after the MLPs, at least one channel wide."""
        from torch import nn  # noqa: PLC0415 - as the base module says

        from sa2vp.models import adapted  # noqa: PLC0415

        own = adapted.own_backbone(backbone)
        width = max(1, own.embed_dim // self.reduction)
        for block in own.blocks:
            adapter = adapted.Bottleneck(own.embed_dim, width, nn.functional.gelu)
            for array in adapter.parameters():
                nn.init.zeros_(array)
            block.mlp = adapted.AdaptedOutput(block.mlp, adapter)
        return adapted.Adapted(own, num_classes)
