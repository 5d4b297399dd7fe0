"""AdaptFormer (arXiv:2205.13535): a bottleneck beside each block's norm and MLP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.fields import Bottleneck, Dropout, Scale
from sa2vp.methods.spaces import RERUN_LR, RERUN_WEIGHT_DECAY, comparison_space
from search_spaces import Choice, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class AdaptFormer(Method):
    """A scaled bottleneck with a ReLU, parallel to each MLP and its norm, and a head."""

    name: ClassVar[str] = "adaptformer"
    on_swin: ClassVar[bool] = False

    bottleneck: Bottleneck
    scale: Scale
    dropout: Dropout = 0.1

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give the grid of Mai et al. (2024)."""
        ranges: dict[str, Range] = {
            "bottleneck": Choice(4, 16, 32),
            "scale": Choice(0.05, 0.1, 0.2),
            "lr": RERUN_LR,
            "weight_decay": RERUN_WEIGHT_DECAY,
        }
        first = {"bottleneck": 16, "scale": 0.1, "lr": 1e-3, "weight_decay": 1e-4}
        return comparison_space(suite, task, backbone, ranges, **first)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put the adapters beside the MLPs; they begin by adding nothing."""
        from torch import nn  # noqa: PLC0415 - as the base module says

        from sa2vp.models import adapted  # noqa: PLC0415

        own = adapted.own_backbone(backbone)
        for block in own.blocks:
            adapter = adapted.Bottleneck(
                own.embed_dim,
                self.bottleneck,
                nn.functional.relu,
                dropout=self.dropout,
                scale=self.scale,
            )
            # A Linear's own initial weight is LoRA's of A, as published.
            for zero in (adapter.down.bias, adapter.up.weight, adapter.up.bias):
                nn.init.zeros_(zero)
            block.mlp = adapted.AdaptedBranch(block.norm2, block.mlp, adapter)
            block.norm2 = nn.Identity()
        return adapted.Adapted(own, num_classes)
