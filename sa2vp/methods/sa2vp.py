"""SA2VP (arXiv:2312.10376): prompts aligned with image tokens, fused with them in every block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from sa2vp.hyperparameters import HyperparameterError
from sa2vp.methods.base import Method
from sa2vp.methods.fields import MAX_DIM, Dropout, DropPath
from search_spaces import TaskSpace, remark, task_space

if TYPE_CHECKING:
    from torch import Tensor

    from sa2vp import models
    from sa2vp.models.suitability import Backbone


class SA2VP(Method):
    """Two streams through the frozen backbone; the defaults are the published ones."""

    name: ClassVar[str] = "sa2vp"

    inter_dim: int = Field(
        ge=1, le=MAX_DIM, description="Channels of the prompts and of the fusion's bottleneck."
    )
    inter_weight: float = Field(ge=0, description="Weight of the fusion's output.")
    fusion: Literal["exact", "acc"] = Field(
        "exact", description="exact, or acc: the authors' other variant."
    )
    dropout: Dropout = 0.1
    drop_path: DropPath = None
    image_loss_weight: float = Field(0.8, ge=0, description="Weight of the image stream's loss.")
    prompt_loss_weight: float = Field(0.2, ge=0, description="Weight of the prompt stream's loss.")

    @model_validator(mode="after")
    def _weigh_something(self) -> Self:
        if self.image_loss_weight + self.prompt_loss_weight == 0:
            raise ValueError("one of image_loss_weight and prompt_loss_weight must be above 0")
        return self

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give the space around the authors' configurations."""
        return task_space(suite, task, backbone)

    @classmethod
    def remark(cls, suite: str, backbone: str) -> str | None:
        """Say where the authors give no configurations."""
        return remark(suite, backbone)

    def build(self, backbone: Backbone, num_classes: int) -> models.SA2VP:
        """Make SA2VP's model."""
        from sa2vp.models import create_sa2vp  # noqa: PLC0415 - as the base module says

        return create_sa2vp(
            backbone,
            num_classes=num_classes,
            inter_dim=self.inter_dim,
            inter_weight=self.inter_weight,
            fusion=self.fusion,
            dropout=self.dropout,
            drop_path=self.drop_path,
        )

    def check_backbone(self, backbone: Backbone) -> None:
        """Refuse a fusion, or stochastic depth, that a family of backbones does not have."""
        from sa2vp.models import check_drop_path, check_fusion  # noqa: PLC0415 - as above

        name = "fusion"
        try:
            check_fusion(self.fusion, backbone)
            name = "drop_path"
            check_drop_path(self.drop_path, backbone)
        except ValueError as error:
            raise HyperparameterError(name, str(error)) from error

    def loss(self, outputs: Any, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Weigh the cross-entropies of both streams' logits."""
        from sa2vp.models.objective import sa2vp_loss  # noqa: PLC0415 - as above

        return sa2vp_loss(
            outputs,
            targets,
            image_weight=self.image_loss_weight,
            prompt_weight=self.prompt_loss_weight,
            label_smoothing=label_smoothing,
        )

    def evaluation_loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Give the weighted mean of both streams' losses, whatever the sum of the weights."""
        return self.loss(outputs, targets) / (self.image_loss_weight + self.prompt_loss_weight)

    def logits(self, outputs: Any) -> Tensor:
        """Give the image stream's."""
        logits: Tensor = outputs[0]
        return logits
