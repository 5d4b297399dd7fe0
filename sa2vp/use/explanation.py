"""From a model and an image to the figure of its prompts and fusions."""

from __future__ import annotations

import textwrap

import torch
from matplotlib.figure import Figure
from torch import Tensor

from sa2vp.models.streams import FusionAttention, TwoStreams
from sa2vp.text import printable
from sa2vp.use.attention_maps import displacement, focus
from sa2vp.use.card import Card
from sa2vp.use.overlays import FusionMaps, overlay_figure
from sa2vp.use.prediction import top_classes

_LINE_LENGTH = 90


def explain(model: TwoStreams, card: Card, name: str, images: Tensor) -> Figure:
    """Draw the prompt norms and where each fusion looks.

    Args:
        model: in evaluation mode.
        card: of the model.
        name: of the image, for the title.
        images: one image, prepared, ``(1, 3, height, width)``.
    """
    images = images.to(next(model.parameters()).device)
    labels, probabilities = top_classes(model, card.configuration.method, images, 1)
    label = labels.item()
    called = str(label) if card.class_names is None else card.class_names[int(label)]
    title = (
        f"{textwrap.fill(printable(name), _LINE_LENGTH)}\n"
        f"predicted by {_cut(card.run_id)}: class {_cut(called)}, "
        f"probability {probabilities.item():.2f}"
    )
    seen = (images[0].permute(1, 2, 0) / 2 + 0.5).clamp(0, 1)  # undo the normalisation
    return overlay_figure(
        title,
        seen.float().cpu().numpy(),
        model.prompt_norms().float().cpu().numpy(),
        [fusion_maps(attention) for attention in model.fusion_attention(images)],
    )


def _cut(text: str) -> str:
    return printable(text)[:_LINE_LENGTH]


@torch.no_grad()
def fusion_maps(attention: FusionAttention) -> FusionMaps:
    """Sum up one fusion's attention for one image."""
    adapts = (
        "prompts adapt to the image" if attention.image_to_prompt else "image adapts to the prompts"
    )
    weights = attention.weights[0].float().cpu()
    return FusionMaps(
        f"fusion {attention.block}\n{adapts}",
        focus(weights).numpy(),
        displacement(weights).numpy(),
    )
