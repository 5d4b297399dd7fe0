"""Loads the trained model that a command is asked to use."""

from __future__ import annotations

import torch

from sa2vp.models import BackboneError
from sa2vp.models.learned import LearnedArrays
from sa2vp.results.names import PLAIN_METHOD
from sa2vp.training.precision import round_products
from sa2vp.use.errors import UseError
from sa2vp.use.export import Export, read_export
from sa2vp.use.final_runs import load_final_run
from sa2vp.use.model import build_model
from sa2vp.use.source import DEFAULT_RESULTS, FinalRun, Source


def load_export(source: FinalRun) -> Export:
    """Load what the model has learned.

    Raises:
        UseError: there is no such model.
    """
    if isinstance(source, Source) and source.model is not None:
        return read_export(source.model)
    results = DEFAULT_RESULTS if source.results is None else source.results
    return load_final_run(
        results, task=source.task, method=source.method or PLAIN_METHOD, run_id=source.run
    )


def load_model(source: Source, export: Export) -> LearnedArrays:
    """Build the model, on the GPU if there is one, else on the CPU.

    Raises:
        UseError: its backbone cannot be loaded, or is another one.
    """
    try:
        model = build_model(export, checkpoint=source.backbone_checkpoint)
    except BackboneError as error:
        raise UseError(f"--backbone-checkpoint: {error}") from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    round_products(device, to_tf32=False)
    return model.to(device)
