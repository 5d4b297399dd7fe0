"""RepAdapter (arXiv:2302.08106): linear bottlenecks, which can be merged into frozen Linears."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods.base import Method
from sa2vp.methods.fields import Bottleneck, Dropout, DropPath, Scale
from sa2vp.methods.spaces import comparison_space
from search_spaces import Choice, LogUniform, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


GROUPS = 2
"""Of the second Linear."""

DROP_PATH = 0.1
"""The published rate of stochastic depth."""


class RepAdapter(Method):
    """A bottleneck after both norms of each block, and a head."""

    name: ClassVar[str] = "repadapter"

    bottleneck: Bottleneck
    scale: Scale
    dropout: Dropout = 0.1
    drop_path: DropPath = None

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give the authors' grid of scales; around their one learning rate, a range."""
        ranges: dict[str, Range] = {
            "bottleneck": Choice(8),
            "scale": Choice(0.1, 0.5, 1.0, 5.0, 10.0),
            "lr": LogUniform(1e-4, 1e-2),
        }
        return comparison_space(
            suite, task, backbone, ranges, bottleneck=8, scale=(1.0, 0.1, 5.0), lr=1e-3
        )

    def check_backbone(self, backbone: Backbone) -> None:
        """Refuse a bottleneck that the groups do not divide."""
        super().check_backbone(backbone)
        if self.bottleneck % GROUPS:
            raise HyperparameterError(
                "bottleneck",
                f"bottleneck must be a multiple of {GROUPS} for {self.name}, got {self.bottleneck}",
            )

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put the adapters after the norms; they begin by adding nothing."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says

        own = adapted.own_backbone(backbone)
        for block in adapted.blocks_of(own):
            for name in ("norm1", "norm2"):
                norm = getattr(block, name)
                adapter = adapted.GroupedBottleneck(
                    norm.normalized_shape[0],
                    self.bottleneck,
                    groups=GROUPS,
                    dropout=self.dropout,
                    scale=self.scale,
                )
                setattr(block, name, adapted.AdaptedOutput(norm, adapter))
        adapted.set_drop_path(own, DROP_PATH if self.drop_path is None else self.drop_path)
        return adapted.Adapted(own, num_classes)
