"""What a method is: how a frozen backbone is adapted to a task.

A method is one class in one file. Its fields are its hyperparameters; an object of it is the method
with a value for each of them. Nobody who trains, searches or reports asks which method it has.

To add one, write a class as below and name it in ``sa2vp/methods/loading.py``; one in a file of
your own is given to ``--method`` as ``path/to/file.py:Class``.
PyTorch and timm are slow to import, and options are checked before: import them where they are
used.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sa2vp.hyperparameters import HyperparameterError, Hyperparameters

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from sa2vp.models.learned import LearnedArrays
    from sa2vp.models.suitability import Backbone
    from search_spaces import TaskSpace


class Method(Hyperparameters):
    """A way to adapt a frozen backbone, with its hyperparameters as fields.

    Attributes:
        name: of the method, in rows and in the names of runs.
        reads_features: whether the model learns from ``model.features(images)`` alone, ``(B, D)``,
            which nothing that it learns changes. They are then computed once for each image that
            comes without augmentation, and the model is called with them in place of images.
        on_swin: whether the method is defined on a Swin too; else on a ViT alone.
        optimizer: what trains the learned arrays, by its name in ``sa2vp/methods/optimizers.py``.
    """

    name: ClassVar[str]
    reads_features: ClassVar[bool] = False
    on_swin: ClassVar[bool] = True
    optimizer: ClassVar[str] = "adamw"

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:  # noqa: ARG003
        """Give the space that a task is searched in where the user gives none.

        Args:
            suite: of the task.
            task: its name.
            backbone: as given to ``--backbone``.

        Raises:
            HyperparameterError: there is none.
        """
        raise HyperparameterError(
            "", f"method {cls.name} has no space for {task} of suite {suite}; give one (--spaces)"
        )

    @classmethod
    def remark(cls, suite: str, backbone: str) -> str | None:  # noqa: ARG003 - seldom any
        """Say what a user should know of the default spaces of a suite, if anything."""
        return None

    @abstractmethod
    def build(self, backbone: Backbone, num_classes: int) -> LearnedArrays:
        """Make the model, its learned arrays freshly initialised from PyTorch's generator.

        The model's learned arrays are its parameters that require a gradient, and its head is named
        ``head``.

        Args:
            backbone: in evaluation mode; shared by the models of a process, so that a method that
                changes it takes a copy.
            num_classes: classes C.
        """

    def check_backbone(self, backbone: Backbone) -> None:
        """Refuse a backbone that the method is not defined on, or its hyperparameters do not fit.

        Raises:
            HyperparameterError: names the hyperparameter, or ``method``.
        """
        from timm.models.swin_transformer import SwinTransformer  # noqa: PLC0415 - as the module says

        if not self.on_swin and isinstance(backbone, SwinTransformer):
            raise HyperparameterError(
                "method", f"method {self.name} is defined on a ViT, not on a Swin"
            )

    def initial_arrays(self) -> Mapping[str, Tensor]:
        """Read the arrays that learning starts from, where these are in a file.

        Returns:
            Some of the model's learned arrays, by name; none where all are as ``build`` gives them.

        Raises:
            HyperparameterError: there is no such file.
        """
        return {}

    def loss(self, outputs: Any, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Give the mean loss of a batch in training, a scalar.

        Args:
            outputs: of the model; by default logits ``(B, C)``.
            targets: int64 ``(B,)``.
            label_smoothing: share of the target that is spread over all classes.
        """
        from torch.nn.functional import cross_entropy  # noqa: PLC0415 - as the module says

        return cross_entropy(outputs, targets, label_smoothing=label_smoothing)

    def evaluation_loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Give the mean loss of a batch in evaluation, a scalar that compares configurations."""
        return self.loss(outputs, targets)

    def logits(self, outputs: Any) -> Tensor:
        """Give the logits ``(B, C)`` that predictions are made of."""
        logits: Tensor = outputs
        return logits

    def build_optimizer(self, model: LearnedArrays, *, lr: float, weight_decay: float) -> Optimizer:
        """Make the optimiser of the learned arrays, without weight decay of vectors."""
        from sa2vp.methods.optimizers import OPTIMIZERS  # noqa: PLC0415 - as the module says

        return OPTIMIZERS[self.optimizer](model, lr=lr, weight_decay=weight_decay)
