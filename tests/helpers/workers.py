"""One of several worker processes that share runs: ``python workers.py <rank> <count> <folder>``.

Each works off the cases that stand in ``<folder>/cases.json``, by name, and writes what it saw to
``<folder>/<name>-<rank>.json``. The first worker saves the run's last state to ``<folder>/<name>``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import runs
import torch
import torch.distributed as dist
from small_memory import GPU_ERROR, SmallMemory
from torch import Tensor

from sa2vp.training.run import TrainingRun


def run_case(
    folder: Path,
    *,
    rank: int,
    fits: list[int] | None = None,
    stop_after: int | None = None,
    load: str | None = None,
    **options: Any,
) -> tuple[TrainingRun, dict[str, Any]]:
    """Train a run of the tests; give it and what this worker saw.

    Args:
        folder: of all cases.
        rank: of this worker.
        fits: the most images that each worker's memory holds.
        stop_after: epochs; None for all.
        load: the case to continue from.
        options: of the run.
    """
    if fits is not None:
        options["wrap"] = lambda model: SmallMemory(model, fits[rank], fits[rank], GPU_ERROR)
    run = runs.make_run(**options)
    evaluated = record_evaluated(run)
    if load is not None:
        run.restore(folder / load)
    epochs = []
    while not run.finished and len(epochs) != stop_after:
        epochs.append(asdict(run.run_epoch()))
    seen = {"epochs": epochs, "evaluated": evaluated, "draw": torch.rand(1).item()}
    return run, seen | {
        "arrays": {k: v.tolist() for k, v in run.model.trainable_state_dict().items()}
    }


def record_evaluated(run: TrainingRun) -> list[int]:
    """Note the sum of the pixels of every image that is evaluated; it tells the images apart."""
    sums: list[int] = []
    prepare = run._classifier.prepare

    def noting(images: Tensor, mirrored: Tensor | None) -> Tensor:
        if not run.model.training:
            sums.extend(images.long().sum((1, 2, 3)).tolist())
        return prepare(images, mirrored)

    object.__setattr__(run._classifier, "prepare", noting)
    return sums


def main(rank: int, count: int, folder: Path) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=count)
    try:
        for name, options in json.loads((folder / "cases.json").read_text()).items():
            run, seen = run_case(folder, rank=rank, **options)
            (folder / f"{name}-{rank}.json").write_text(json.dumps(seen))
            if rank == 0:
                run.save(folder / name)
            dist.barrier()  # the next case may continue from what was saved
    finally:
        # Also after an error: gloo's threads may abort a process that ends while its group stands.
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
