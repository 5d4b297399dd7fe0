"""The training objective: one cross-entropy per stream, weighted as in the published code."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

IMAGE_LOSS_WEIGHT = 0.8
PROMPT_LOSS_WEIGHT = 0.2


def sa2vp_loss(logits: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    """Weigh the cross-entropies of both streams.

    Args:
        logits: ``image_logits`` and ``prompt_logits``, ``(B, C)`` each.
        targets: int64 ``(B,)``.

    Returns:
        The batch mean, a scalar.
    """
    image_logits, prompt_logits = logits
    return IMAGE_LOSS_WEIGHT * F.cross_entropy(
        image_logits, targets
    ) + PROMPT_LOSS_WEIGHT * F.cross_entropy(prompt_logits, targets)
