"""The linear probe: a head alone, on what the frozen backbone makes of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from search_spaces import LogUniform, Range, TaskSpace, task_space
from search_spaces.kinds import initial

if TYPE_CHECKING:
    from sa2vp.models.linear_probe import LinearProbe
    from sa2vp.models.suitability import Backbone


class Linear(Method):
    """A linear head on the backbone's features."""

    name: ClassVar[str] = "linear"
    reads_features: ClassVar[bool] = True

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give a wide range of learning rates, and the batch sizes that SA2VP is searched with."""
        batch_size = task_space(suite, task, backbone).ranges["batch_size"]
        ranges: dict[str, Range] = {"lr": LogUniform(1e-3, 10.0), "batch_size": batch_size}
        return TaskSpace(ranges, initial(lr=0.1, batch_size=batch_size.ends[0]))

    def build(self, backbone: Backbone, num_classes: int) -> LinearProbe:
        """Make the head."""
        from sa2vp.models.linear_probe import LinearProbe  # noqa: PLC0415 - as the base module says

        return LinearProbe(backbone, num_classes)
