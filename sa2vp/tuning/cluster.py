"""The Ray cluster that a search runs on: one started for it, or one that is there."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from contextlib import nullcontext

import ray
import torch
from ray.exceptions import AuthenticationError, RayError

from sa2vp.options import OptionError
from sa2vp.printing import Console
from sa2vp.text import one_line
from sa2vp.training.precision import choose_precision
from sa2vp.tuning.local_ray import private_cluster
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.probe import probe_cluster

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own progress tables
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a notice about runs without a GPU
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # result files beside ours
}


def start_ray(
    console: Console, address: str | None, *, verbose: bool, num_cpus: int | None = None
) -> None:
    """Start a cluster on this machine or join one, and say where its dashboard is.

    A cluster that is started listens on this machine only and asks for a token, whatever the
    environment says. One that is joined stays as it is.

    Args:
        console: where the dashboard's address is printed.
        address: of a cluster to join; None joins the one that RAY_ADDRESS names, or starts one.
        verbose: let Ray and the trials write to the terminal.
        num_cpus: cores that a cluster started here counts; by default the machine's.

    Raises:
        OptionError: no cluster answers at the address, it asks for its token, or a new one would
            not be this user's alone.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # What a run raised stands in its row, and whole in its folder of Tune's.
    level = logging.INFO if verbose else logging.CRITICAL
    logging.getLogger("ray").setLevel(level)
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        with private_cluster() if address == "local" else nullcontext():
            context = ray.init(
                address=address, num_cpus=num_cpus, log_to_driver=verbose, logging_level=level
            )
    except OptionError:
        raise
    except AuthenticationError as error:
        raise OptionError(
            "--address",
            f"the Ray cluster at {address!r} asks for its token; write that into a file, and set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the file",
        ) from error
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        reason = one_line(error)
        raise OptionError("--address", f"no Ray cluster at {address!r}: {reason}") from error
    if context.dashboard_url:
        console.print(f"Dashboard: http://{context.dashboard_url}")
        console.print("  its token: ray get-auth-token")


def worker_resources(plan: SearchPlan) -> dict[str, float]:
    """Give what each worker of a trial asks of the cluster; by default a GPU where there is one."""
    gpus = plan.config.gpus_per_trial
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
    return {"CPU": plan.config.cpus_per_trial, "GPU": gpus}


def precision_on_cluster(asked: str, resources: dict[str, float]) -> str:
    """Settle what trials compute in, before the first: all of them alike, on whatever nodes.

    Args:
        asked: one of :data:`~sa2vp.training.configuration.PRECISIONS`.
        resources: of one worker.

    Raises:
        OptionError: the GPUs of a node cannot be used.
    """
    if resources["GPU"] == 0:
        return choose_precision(asked, torch.device("cpu"))
    return probe_cluster(asked, resources["GPU"])


def slots_of_cluster(resources: dict[str, float], workers: int = 1) -> Callable[[], int]:
    """Give a function that tells how many trials the cluster's nodes hold at present.

    Args:
        resources: of one worker, which one node has to hold.
        workers: of one trial, on any nodes.
    """

    def slots() -> int:
        alive = (node["Resources"] for node in ray.nodes() if node["Alive"])
        return sum(_fitting(node, resources) for node in alive) // workers

    return slots


def check_fits(resources: dict[str, float], workers: int = 1) -> None:
    """Refuse trials that would wait for ever.

    Raises:
        OptionError: names the option and the cluster's size.
    """
    if slots_of_cluster(resources, workers)() > 0:
        return
    places = slots_of_cluster(resources)()
    one = "a worker" if workers > 1 else "a trial"
    needed = ", ".join(f"{amount:g} {kind}" for kind, amount in resources.items())
    if places:
        raise OptionError(
            "--workers-per-trial",
            f"the cluster has room for {places} workers of {needed}, a trial needs {workers}",
        )
    option = "--gpus-per-trial" if resources["GPU"] > 0 else "--cpus-per-trial"
    have = ", ".join(f"{ray.cluster_resources().get(kind, 0):g} {kind}" for kind in resources)
    raise OptionError(option, f"{one} needs {needed} on one node, the cluster has {have}")


def _fitting(node: dict[str, float], resources: dict[str, float]) -> int:
    """Count the workers that a node holds; a share of a GPU lies on one GPU."""
    return min(
        _places(node.get(kind, 0), amount, divided=kind == "GPU")
        for kind, amount in resources.items()
        if amount > 0
    )


def _places(there: float, amount: float, *, divided: bool) -> int:
    if divided and amount < 1:
        return math.floor(there) * math.floor(1 / amount + 1e-9)
    return math.floor(there / amount + 1e-9)
