"""What a cluster's GPUs are asked before a search, with made-up answers; how many trials fit."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import torch

from sa2vp.options import OptionError
from sa2vp.tuning import cluster, probe
from sa2vp.tuning.cluster import check_fits, slots_of_cluster
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.probe import Probed, agreed_precision, compute_mode, kinds_of_nodes, probe_gpu


def node(number: int, gpus: float, kind: str = "A100", **changes: Any) -> dict[str, Any]:
    resources = {"CPU": 16.0} | ({"GPU": gpus, f"accelerator_type:{kind}": 1.0} if gpus else {})
    return {"NodeID": str(number), "Alive": True, "Resources": resources} | changes


def test_one_node_of_each_kind_is_asked() -> None:
    nodes = [
        node(1, 4), node(2, 4), node(3, 8), node(4, 4, "V100"), node(5, 0),
        node(6, 2, Alive=False),
    ]  # fmt: skip
    assert [one["NodeID"] for one in kinds_of_nodes(nodes)] == ["1", "3", "4"]


def test_all_nodes_compute_in_what_the_oldest_has() -> None:
    answers = [Probed("a", "A100", "bfloat16"), Probed("b", "V100", "float16")]
    assert agreed_precision(answers) == "float16"
    assert agreed_precision([*answers, Probed("c", "P100", "float32")]) == "float32"
    assert agreed_precision([Probed("a", "A100", "tf32")]) == "tf32"


def test_a_gpu_that_cannot_is_named_in_one_line() -> None:
    answers = [
        Probed("10.0.0.1", "A100", "bfloat16"),
        Probed("10.0.0.2", None, option="--gpus-per-trial", problem="the driver is too old"),
    ]
    with pytest.raises(OptionError) as refused:
        agreed_precision(answers)
    assert str(refused.value) == "--gpus-per-trial: the GPU of 10.0.0.2: the driver is too old"


class Gpu:
    """A GPU that PyTorch believes in: what is made there is made on the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
        ones = torch.ones
        self.error: Exception | None = None

        def made(*shape: int, device: torch.device, **kind: Any) -> torch.Tensor:
            assert device.type == "cuda"
            if self.error is not None:
                raise self.error
            return ones(*shape, **kind)

        monkeypatch.setattr(torch, "ones", made)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)


def test_a_gpu_that_can_tells_what_auto_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, (7, 5))
    assert probe_gpu("n", "auto", 1.0) == Probed("n", "Tesla T4", "float16")


def test_emulated_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, (7, 5))
    found = probe_gpu("n", "bfloat16", 1.0)
    assert found.option == "--precision"
    assert "Ampere" in str(found.problem)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nUpdate"),
        RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        AssertionError("Torch not compiled with CUDA enabled"),
    ],
)
def test_what_cuda_says_ends_in_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    Gpu(monkeypatch, (8, 0)).error = error
    found = probe_gpu("n", "auto", 1.0)
    assert (found.option, found.precision) == ("--gpus-per-trial", None)
    assert found.problem is not None
    assert found.problem.startswith(str(error).splitlines()[0][:30])
    assert "\n" not in found.problem


def test_a_gpu_in_exclusive_mode_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, (8, 0))
    monkeypatch.setattr(probe, "compute_mode", lambda: "Exclusive_Process")
    assert probe_gpu("n", "auto", 1.0).precision == "bfloat16"
    found = probe_gpu("n", "auto", 0.5)
    assert found.option == "--gpus-per-trial"
    assert "compute mode is Exclusive_Process" in str(found.problem)


@pytest.mark.parametrize(
    ("printed", "mode"),
    [("Default\nDefault\n", "Default"), ("Default\nProhibited\n", "Prohibited"), ("", None)],
)
def test_the_compute_mode_is_the_drivers(
    monkeypatch: pytest.MonkeyPatch, printed: str, mode: str | None
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    done = subprocess.CompletedProcess([], 0, stdout=printed)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: done)
    assert compute_mode() == mode


@pytest.mark.parametrize(
    ("gpus", "share", "places"),
    [(4, 0.6, 4), (4, 0.5, 8), (4, 0.3, 12), (4, 1.0, 4), (0, 0.5, 0), (1, 0.1, 10)],
)
def test_places_are_counted_on_each_gpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, share: float, places: int
) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [node(1, gpus)])
    assert slots_of_cluster({"CPU": 0.5, "GPU": share})() == places


def test_places_are_counted_on_each_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [node(1, 1), node(2, 1), node(3, 0)])
    assert slots_of_cluster({"CPU": 10.0, "GPU": 1.0})() == 2  # 16 cores a node
    assert slots_of_cluster({"CPU": 10.0, "GPU": 0.0})() == 3


def test_a_share_that_no_gpu_has_left_over_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [node(1, 0)])
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 16.0})
    with pytest.raises(OptionError, match=r"^--gpus-per-trial: a trial needs 1 CPU, 0\.5 GPU"):
        check_fits({"CPU": 1.0, "GPU": 0.5})


@pytest.mark.parametrize("workers", [1, 2])
def test_several_gpus_for_one_worker_are_refused(workers: int) -> None:
    with pytest.raises(OptionError, match=r"^--gpus-per-trial: a worker computes on one GPU, not"):
        make_plan(suite="demo", gpus_per_trial=2, workers_per_trial=workers)


def test_trials_without_a_gpu_probe_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "probe_cluster", lambda *_: pytest.fail("asked a GPU"))
    assert cluster.precision_on_cluster("auto", {"CPU": 1.0, "GPU": 0.0}) == "float32"
