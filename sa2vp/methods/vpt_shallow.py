"""VPT-shallow (arXiv:2203.12119): learned tokens before the first block."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sa2vp.methods.base import Method
from sa2vp.methods.fields import Dropout, PromptLength
from sa2vp.methods.spaces import prompt_space
from search_spaces import TaskSpace

if TYPE_CHECKING:
    from sa2vp.models.adapted import Adapted
    from sa2vp.models.suitability import Backbone


class VPTShallow(Method):
    """Prompt tokens that the first block takes in beside the image's, and a head."""

    name: ClassVar[str] = "vpt-shallow"
    optimizer: ClassVar[str] = "sgd"

    prompt_length: PromptLength
    dropout: Dropout = 0.1

    @classmethod
    def default_space(cls, suite: str, task: str, backbone: str) -> TaskSpace:
        """Give the authors' grid, with their prompt length for the task first."""
        return prompt_space(suite, task, backbone, deep=False)

    def build(self, backbone: Backbone, num_classes: int) -> Adapted:
        """Put the prompts before the blocks."""
        from sa2vp.models import adapted  # noqa: PLC0415 - as the base module says

        own = adapted.own_backbone(backbone)
        adapted.add_prompts(own, self.prompt_length, deep=False, dropout=self.dropout)
        return adapted.Adapted(own, num_classes)
