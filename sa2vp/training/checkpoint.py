"""A run's whole state on disk: arrays as safetensors, counters as JSON; never the backbone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sa2vp.files import make_folder, replacing, write_file
from search_spaces.kinds import Value

ARRAYS_FILE = "state.safetensors"
COUNTERS_FILE = "state.json"
ARRAYS_SHA256, OWN_SHA256 = "arrays_sha256", "sha256"
"""Counters hold a digest of the other file and one of themselves: what is damaged shows."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another run."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run continues from.

    Attributes:
        arrays: learned arrays, optimiser moments and generator states, by prefixed names.
        epoch: epochs done.
        step: optimiser steps done.
        configuration: of the run, to refuse a checkpoint of another one.
        run: what else tells the run from others: an id of its own, and fingerprints of its data
            and of its backbone, as far as whoever started it has given them.
        start: how often the run had been started when this was saved. Of two checkpoints of one
            epoch the one of the later start counts, whatever the clocks say.
        micro_batch: training images at once, where memory limited them.
        evaluation_batch: the same in evaluation.
        loss_scale: the state of float16's loss scale; empty in other formats.
        best: validation and test top-1 of the best epoch of a final run so far, as
            :class:`~sa2vp.training.run.BestEpoch` has them; None where there is none.
    """

    arrays: Mapping[str, Tensor]
    epoch: int
    step: int
    configuration: Mapping[str, Value]
    run: Mapping[str, str] = field(default_factory=dict)
    start: int = 0
    micro_batch: int | None = None
    evaluation_batch: int | None = None
    loss_scale: Mapping[str, float] = field(default_factory=dict)
    best: tuple[float, float | None] | None = None

    def save(self, directory: Path) -> None:
        """Write both files; each replaces an older one whole."""
        make_folder(directory)
        with replacing(directory / ARRAYS_FILE) as temporary:
            save_file(dict(self.arrays), temporary)
        counters = self._counters() | {ARRAYS_SHA256: _sha256(directory / ARRAYS_FILE)}
        counters[OWN_SHA256] = _digest(counters)
        write_file(directory / COUNTERS_FILE, json.dumps(counters, indent=2).encode())

    @classmethod
    def load(cls, directory: Path) -> Checkpoint:
        """Read both files.

        Raises:
            CheckpointError: a file is missing or damaged, or the two do not belong together.
        """
        try:
            counters = read_counters((directory / COUNTERS_FILE).read_bytes())
            if counters.pop(ARRAYS_SHA256) != _sha256(directory / ARRAYS_FILE):
                raise CheckpointError(f"{ARRAYS_FILE} is not what was saved there")
            with safe_open(directory / ARRAYS_FILE, framework="pt") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(arrays, **counters)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{directory}: not a complete checkpoint: {error}") from error

    def _counters(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)[1:]}

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Select the arrays under a prefix, by their names without it."""
        return {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }


def read_counters(text: bytes | str) -> dict[str, Any]:
    """Read what a checkpoint says of itself and of its arrays.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        counters: dict[str, Any] = json.loads(text)
        if counters.pop(OWN_SHA256) == _digest(counters):
            return counters
    except (ValueError, AttributeError, KeyError, TypeError):  # ValueError: also of no text at all
        pass
    raise CheckpointError(f"{COUNTERS_FILE} is not what was saved there")


def _digest(counters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(counters, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
