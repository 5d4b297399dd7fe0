"""The linear probe: a head alone, on what the frozen backbone makes of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method

if TYPE_CHECKING:
    from sa2vp.models.linear_probe import LinearProbe
    from sa2vp.models.suitability import Backbone


class Linear(Method):
    """A linear head on the backbone's features."""

    name: ClassVar[str] = "linear"

    def build(self, backbone: Backbone, num_classes: int) -> LinearProbe:
        """Make the head."""
        from sa2vp.models.linear_probe import LinearProbe  # noqa: PLC0415 - as the base module says

        return LinearProbe(backbone, num_classes)
