"""Which trained model a command is asked to use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sa2vp.use.card import read_card
from sa2vp.use.errors import UseError
from sa2vp.use.files import missing

if TYPE_CHECKING:
    from sa2vp.models.learned import LearnedArrays
    from sa2vp.use.export import Export

DEFAULT_RESULTS = "results"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The options that name a trained model, as typed.

    Attributes:
        model: an exported file.
        results: what a search wrote.
        task: its best final run in the results.
        run: a final run in the results.
        backbone_checkpoint: the backbone's weights, where its name needs a file.

    Raises:
        UseError: not exactly one of ``model``, ``task`` and ``run`` is given, or a file is missing.
    """

    model: Path | None = None
    results: str | None = None
    task: str | None = None
    run: str | None = None
    backbone_checkpoint: Path | None = None

    def __post_init__(self) -> None:
        """Refuse options that do not fit each other, before anything slow is imported."""
        if sum(option is not None for option in (self.model, self.task, self.run)) != 1:
            raise UseError("give one of --model FILE, --task NAME and --run RUN_ID")
        if self.model is not None:
            if self.results is not None:
                raise UseError("--results: goes with --task or --run; leave it out with --model")
            read_card(self.model)
        weights = self.backbone_checkpoint
        if weights is not None and not weights.is_file():
            raise UseError(f"--backbone-checkpoint: {missing(weights)}: {weights}")

    def load_export(self) -> Export:
        """Load what the model has learned.

        Raises:
            UseError: there is no such model.
        """
        # Both are slow to import: refusals come first.
        from sa2vp.use.export import read_export  # noqa: PLC0415

        if self.model is not None:
            return read_export(self.model)
        from sa2vp.use.final_runs import load_final_run  # noqa: PLC0415

        results = DEFAULT_RESULTS if self.results is None else self.results
        return load_final_run(results, task=self.task, run_id=self.run)

    def load_model(self, export: Export) -> LearnedArrays:
        """Build the model, on the GPU if there is one, else on the CPU.

        Raises:
            UseError: its backbone cannot be loaded, or is another one.
        """
        import torch  # noqa: PLC0415 - as above

        from sa2vp.models import BackboneError  # noqa: PLC0415 - as above
        from sa2vp.use.model import build_model  # noqa: PLC0415 - as above

        try:
            model = build_model(export, checkpoint=self.backbone_checkpoint)
        except BackboneError as error:
            raise UseError(f"--backbone-checkpoint: {error}") from error
        return model.to("cuda" if torch.cuda.is_available() else "cpu")
