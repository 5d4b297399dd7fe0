"""MLP-3: three layers in place of the linear head (VPT, arXiv:2203.12119, section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.fields import Dropout
from sa2vp.methods.spaces import VPT_SGD_LR, VPT_WEIGHT_DECAY, comparison_space
from search_spaces import Range, TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.linear_probe import MlpProbe
    from sa2vp.models.suitability import Backbone


class Mlp3(Method):
    """Two hidden layers and a head on the backbone's features, by SGD with momentum."""

    name: ClassVar[str] = "mlp-3"
    reads_features: ClassVar[bool] = True
    optimizer: ClassVar[str] = "sgd"

    dropout: Dropout = 0.1

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give VPT's grid."""
        ranges: dict[str, Range] = {"lr": VPT_SGD_LR, "weight_decay": VPT_WEIGHT_DECAY}
        return comparison_space(suite, task, backbone, ranges, lr=0.25, weight_decay=1e-4)

    def build(self, backbone: Backbone, num_classes: int) -> MlpProbe:
        """Make the hidden layers and the head."""
        from sa2vp.models.linear_probe import MlpProbe  # noqa: PLC0415 - as the base module says

        return MlpProbe(backbone, num_classes, self.dropout)
