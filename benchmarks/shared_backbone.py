"""What a trial's process holds for itself, with its own backbone and with the node's shared one.

``python benchmarks/shared_backbone.py`` starts processes of Ray that open a ViT-B/16 of random
weights both ways, and evaluate an image with it. Memory is what a process would free by its end
(``Private_*`` of ``/proc/PID/smaps_rollup``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import ray
import timm
import torch
from cyclopts import Parameter
from rich.table import Table

from sa2vp.cli.commands import run_script
from sa2vp.models import create_sa2vp
from sa2vp.printing import Console
from sa2vp.tuning.shared_backbone import SharedBackbone, open_backbone, share_backbone

NAME = "vit_base_patch16_224"


class Trial:
    """Holds a model, as a trial does."""

    def open(self, shared: SharedBackbone | None) -> tuple[float, float]:
        """Open the backbone; give the MiB that it took and the seconds."""
        before, start = private_mib(), time.perf_counter()
        backbone: Any = timm.create_model(NAME, num_classes=0) if shared is None else None
        if shared is not None:
            backbone = open_backbone(shared)
        seconds = time.perf_counter() - start
        self._model = create_sa2vp(backbone.eval(), num_classes=10)
        with torch.inference_mode():
            self._model.eval()(torch.zeros(1, 3, 224, 224))
        return private_mib() - before, seconds


def private_mib() -> float:
    """Give what this process alone holds."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def main(processes: Annotated[int, Parameter(help="On this node.")] = 3) -> None:
    """Print both."""
    ray.init(num_cpus=processes, log_to_driver=False, include_dashboard=False)
    shared = share_backbone(timm.create_model(NAME, num_classes=0))
    table = Table("a process with", "MiB of its own", "seconds to open")
    for name, given in (("a backbone of its own", None), ("the shared backbone", shared)):
        trials = [ray.remote(Trial).remote() for _ in range(processes)]
        found = [ray.get(trial.open.remote(given)) for trial in trials]
        mib, seconds = (sum(values) / processes for values in zip(*found, strict=True))
        table.add_row(name, f"{mib:.0f}", f"{seconds:.2f}")
        for trial in trials:
            ray.kill(trial)
    Console().print(table)


if __name__ == "__main__":
    run_script(main)
