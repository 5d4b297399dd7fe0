"""What the GPUs of a cluster can do, tried out on each kind of node before any trial starts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sa2vp.options import OptionError
from sa2vp.text import one_line
from sa2vp.training.precision import choose_precision

ORDER = ("float32", "float16", "bfloat16")
"""Of what ``auto`` may stand for, the one that most GPUs have first."""

TOKENS, CHANNELS = 197, 768


@dataclass(frozen=True, slots=True)
class Probed:
    """What a GPU of a node has answered.

    Attributes:
        node: its address.
        gpu: its name, where it told it.
        precision: what runs compute in there; None where they cannot.
        option: that does not fit; None where all do.
        problem: why, in one line.
    """

    node: str
    gpu: str | None = None
    precision: str | None = None
    option: str | None = None
    problem: str | None = None


def probe_gpu(node: str, asked: str, share: float) -> Probed:
    """Load CUDA, settle the precision and compute a small product, as a trial would.

    Args:
        node: this machine's address.
        asked: one of :data:`~sa2vp.training.configuration.PRECISIONS`.
        share: of a GPU that each worker gets.
    """
    gpu = torch.device("cuda")
    name = None
    try:
        torch.ones(1, device=gpu)
        name = torch.cuda.get_device_name(gpu)
        if share < 1 and (mode := compute_mode()) not in (None, "Default"):
            return Probed(
                node,
                name,
                option="--gpus-per-trial",
                problem=f"its compute mode is {mode}, so that no two trials can share it; take 1, "
                "or set the mode to Default",
            )
        precision = choose_precision(asked, gpu)
        dtype = getattr(torch, "float32" if precision == "tf32" else precision)
        # Of the size of a ViT's tokens: it loads cuBLAS, and fails where no kernel was built.
        tokens = torch.ones(TOKENS, CHANNELS, dtype=dtype, device=gpu)
        found = (tokens @ tokens.T)[0, 0].item()
    except ValueError as error:
        return Probed(node, name, option="--precision", problem=str(error))
    except (RuntimeError, AssertionError) as error:  # of PyTorch built without CUDA, the latter
        return Probed(node, name, option="--gpus-per-trial", problem=one_line(error))
    if found != CHANNELS:
        return Probed(
            node,
            name,
            option="--precision",
            problem=f"a product of {CHANNELS} ones in {precision} gave {found:g}",
        )
    return Probed(node, name, precision)


def compute_mode() -> str | None:
    """Ask the driver's tool whether processes may share the GPU; None where it cannot tell."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=compute_mode", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    modes = {line.strip() for line in done.stdout.splitlines() if line.strip()}
    return next(iter(sorted(modes - {"Default"})), "Default") if modes else None


def probe_cluster(asked: str, share: float) -> str:
    """Try a GPU of each kind of node; give what all trials compute in.

    Args:
        asked: one of :data:`~sa2vp.training.configuration.PRECISIONS`.
        share: of a GPU that each worker gets.

    Raises:
        OptionError: a GPU cannot be used so; names the node and the reason.
    """
    tasks = []
    for node in kinds_of_nodes(ray.nodes()):
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(num_gpus=share, num_cpus=0, max_retries=0)(probe_gpu)
        placed = task.options(scheduling_strategy=here)
        tasks.append(placed.remote(node["NodeManagerAddress"], asked, share))
    return agreed_precision(ray.get(tasks))


def kinds_of_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give one of the living nodes of each kind: of a number and a type of GPUs."""
    kinds: dict[tuple[object, ...], Mapping[str, Any]] = {}
    for node in nodes:
        resources = node["Resources"]
        if node["Alive"] and resources.get("GPU", 0) > 0:
            types = sorted(name for name in resources if name.startswith("accelerator_type:"))
            kinds.setdefault((resources["GPU"], *types), node)
    return list(kinds.values())


def agreed_precision(answers: Sequence[Probed]) -> str:
    """Give the precision that all nodes have: runs of one search compute alike.

    Raises:
        OptionError: of the first node that has none.
    """
    for one in answers:
        if one.option is not None:
            gpu = f" ({one.gpu})" if one.gpu else ""
            raise OptionError(one.option, f"the GPU of {one.node}{gpu}: {one.problem}")
    found = {one.precision for one in answers if one.precision is not None}
    # Of several, ``auto`` was asked for.
    return min(found, key=lambda name: ORDER.index(name) if name in ORDER else 0)
