"""SA2VP's objective: one cross-entropy per stream, weighted as in the published code."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def sa2vp_loss(
    logits: tuple[Tensor, Tensor],
    targets: Tensor,
    *,
    image_weight: float = 0.8,
    prompt_weight: float = 0.2,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Weigh the cross-entropies of both streams.

    Args:
        logits: ``image_logits`` and ``prompt_logits``, ``(B, C)`` each.
        targets: int64 ``(B,)``.
        image_weight: of the image stream's loss.
        prompt_weight: of the prompt stream's loss.
        label_smoothing: share of the target that is spread over all classes.

    Returns:
        The batch mean, a scalar.
    """
    image, prompt = (
        F.cross_entropy(of_stream, targets, label_smoothing=label_smoothing) for of_stream in logits
    )
    return image_weight * image + prompt_weight * prompt
