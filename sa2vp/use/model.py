"""From an exported model and its backbone to a model that predicts."""

from __future__ import annotations

from pathlib import Path

import torch

from sa2vp.data.images.decode import Resizing
from sa2vp.models import Backbone, load_backbone
from sa2vp.models.fingerprint import fingerprint
from sa2vp.models.learned import LearnedArrays
from sa2vp.use.card import Card
from sa2vp.use.errors import UseError
from sa2vp.use.export import Export, read_export
from sa2vp.use.images import EvaluationInput


def load_exported(
    path: str | Path,
    backbone: str | Backbone | None = None,
    checkpoint: str | Path | None = None,
) -> LearnedArrays:
    """Load a model that ``sa2vp export`` wrote. The random generators' state is left as it is.

    Args:
        path: the safetensors file.
        backbone: the one that it was trained with: by default the name on the card; another name
            for it, or the loaded backbone, which is frozen.
        checkpoint: the backbone's weights, where its name needs a file.

    Returns:
        The model on the CPU, in evaluation mode, or where the given backbone lies.

    Raises:
        UseError: the file is no export, or the backbone not the one that it was trained with.
        BackboneError: the backbone cannot be loaded.
    """
    return build_model(read_export(Path(path)), backbone, checkpoint)


def build_model(
    export: Export,
    backbone: str | Backbone | None = None,
    checkpoint: str | Path | None = None,
) -> LearnedArrays:
    """Put learned arrays on their backbone; arguments and errors as :func:`load_exported`."""
    chosen = export.card.backbone if backbone is None else backbone
    if not isinstance(chosen, str) and checkpoint is not None:
        raise UseError("checkpoint: the backbone is loaded already; leave it out")
    frozen = (
        load_backbone(chosen, checkpoint, export.card.image_size)
        if isinstance(chosen, str)
        else chosen
    )
    check_backbone(export, frozen, chosen if isinstance(chosen, str) else type(chosen).__name__)
    method = export.card.configuration.method
    try:
        method.check_backbone(frozen)
        with torch.random.fork_rng(devices=[]):
            model = method.build(frozen, _count_classes(export))
        model.load_trainable_state_dict(export.arrays)
    except ValueError as error:
        raise UseError(f"{export.source}: its card does not fit its arrays: {error}") from error
    model.eval()
    return model.to(next(frozen.parameters()).device)


def _count_classes(export: Export) -> int:
    """Give the number of classes, if the head has it: a card alone may ask for any memory."""
    count, head = export.card.num_classes, export.arrays.get("head.bias")
    if head is None:
        raise ValueError("missing learned arrays: head.bias")
    if head.shape != (count,):
        raise ValueError(f"head.bias has shape {tuple(head.shape)}, expected ({count},)")
    return count


def evaluation_input(card: Card) -> EvaluationInput:
    """Give what turns image files into the model's input, as in the run's own evaluation."""
    return EvaluationInput(Resizing(card.image_size, card.transform))


def check_backbone(export: Export, backbone: Backbone, name: str) -> None:
    """Refuse another backbone than the one that the arrays were trained with.

    Raises:
        UseError: names both.
    """
    trained, given = export.card.backbone_fingerprint, fingerprint(backbone)
    if given != trained:
        raise UseError(
            f"{export.source} was trained on backbone {export.card.backbone} with fingerprint "
            f"{trained}, not on {name} with fingerprint {given}; give the weights that the search "
            "was given"
        )
