"""Adapter (Houlsby et al., arXiv:1902.00751), as NOAH's tables have it (arXiv:2206.04673).

A bottleneck with a residual connection follows each MLP, and none the attention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.fields import Bottleneck
from sa2vp.methods.spaces import RERUN_WEIGHT_DECAY, comparison_space
from search_spaces import Choice, LogUniform, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class Adapter(Method):
    """A bottleneck after each block's MLP, and a head."""

    name: ClassVar[str] = "adapter"
    on_swin: ClassVar[bool] = False

    bottleneck: Bottleneck

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give ranges around NOAH's values, which come first: NOAH searched none."""
        ranges: dict[str, Range] = {
            "bottleneck": Choice(4, 8, 16, 32),
            "lr": LogUniform(1e-4, 1e-2),
            "weight_decay": RERUN_WEIGHT_DECAY,
        }
        first = {"bottleneck": 8, "lr": 1e-3, "weight_decay": 1e-4}
        return comparison_space(suite, task, backbone, ranges, **first)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put the adapters after the MLPs."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says
        from sa2vp.models.initialisation import init_xavier  # noqa: PLC0415

        own = adapted.own_backbone(backbone)
        for block in own.blocks:
            adapter = adapted.Bottleneck(own.embed_dim, self.bottleneck, adapted.quick_gelu)
            for linear in (adapter.down, adapter.up):
                init_xavier(linear)
            block.mlp = adapted.AdaptedOutput(block.mlp, adapter)
        return adapted.Adapted(own, num_classes)
