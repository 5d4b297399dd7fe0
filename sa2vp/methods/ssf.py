"""SSF (arXiv:2210.08823): each channel of what a layer gives is scaled and shifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.fields import DropPath
from sa2vp.methods.spaces import comparison_space
from search_spaces import Choice, LogUniform, Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class SSF(Method):
    """A scale and a shift after every norm, Linear and convolution, and a head.

    A Swin's patch mergings have them after their norm alone.
    """

    name: ClassVar[str] = "ssf"

    drop_path: DropPath = None

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give the ends of the authors' settings, which they have for each task."""
        ranges: dict[str, Range] = {
            "lr": LogUniform(2e-4, 5e-2),
            "weight_decay": Choice(5e-5, 5e-2),
            "drop_path": Choice(0.0, 0.1, 0.2),
        }
        first = {"lr": 5e-3, "weight_decay": 5e-5, "drop_path": 0.0}
        return comparison_space(suite, task, backbone, ranges, **first)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put scales and shifts after the frozen layers; by default without stochastic depth."""
        from torch import nn  # noqa: PLC0415 - as the base module says

        from sa2vp.models import adapted  # noqa: PLC0415

        own = adapted.own_backbone(backbone)
        for name, module in list(own.named_modules()):
            layer = isinstance(module, nn.LayerNorm | nn.Linear | nn.Conv2d)
            if layer and not name.endswith("downsample.reduction"):
                own.set_submodule(name, adapted.Scaled(module))
        adapted.set_drop_path(own, self.drop_path or 0.0)
        return adapted.Adapted(own, num_classes)
