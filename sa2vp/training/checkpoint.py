"""A run's whole state on disk: arrays as safetensors, counters as JSON; never the backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

ARRAYS_FILE = "state.safetensors"
COUNTERS_FILE = "state.json"
ARRAYS_BYTES = "arrays_bytes"
"""Counters hold the size of the other file: a copy that was cut short is told from a whole one."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another run."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run continues from.

    Attributes:
        arrays: learned arrays, optimiser moments and generator states, by prefixed names.
        epoch: epochs done.
        step: optimiser steps done.
        settings: the run's settings, to refuse a checkpoint of another run.
        micro_batch: training images at once, where memory limited them.
        evaluation_batch: the same in evaluation.
        loss_scale: the state of float16's loss scale; empty in other formats.
    """

    arrays: Mapping[str, Tensor]
    epoch: int
    step: int
    settings: Mapping[str, float | str]
    micro_batch: int | None = None
    evaluation_batch: int | None = None
    loss_scale: Mapping[str, float] = field(default_factory=dict)

    def save(self, directory: Path) -> None:
        """Write both files; each replaces an older one whole."""
        directory.mkdir(parents=True, exist_ok=True)
        epoch = str(self.epoch)
        partial = directory / f".{ARRAYS_FILE}"
        save_file(dict(self.arrays), partial, metadata={"epoch": epoch})
        partial.replace(directory / ARRAYS_FILE)
        partial = directory / f".{COUNTERS_FILE}"
        size = {ARRAYS_BYTES: (directory / ARRAYS_FILE).stat().st_size}
        partial.write_text(json.dumps(self._counters() | size, indent=2))
        partial.replace(directory / COUNTERS_FILE)

    @classmethod
    def load(cls, directory: Path) -> Checkpoint:
        """Read both files.

        Raises:
            CheckpointError: a file is missing or damaged, or the two are of different epochs.
        """
        try:
            counters = json.loads((directory / COUNTERS_FILE).read_text())
            with safe_open(directory / ARRAYS_FILE, framework="pt") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
            counters.pop(ARRAYS_BYTES, None)  # its arrays were read whole
            checkpoint = cls(arrays, **counters)
        except (OSError, SafetensorError, json.JSONDecodeError, TypeError) as error:
            raise CheckpointError(f"{directory}: not a complete checkpoint: {error}") from error
        if metadata.get("epoch") != str(checkpoint.epoch):
            raise CheckpointError(f"{directory}: {ARRAYS_FILE} is not of epoch {checkpoint.epoch}")
        return checkpoint

    def _counters(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)[1:]}

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Select the arrays under a prefix, by their names without it."""
        return {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }
