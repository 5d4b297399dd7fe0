"""The files of deploy/, as far as a machine without such a cluster can follow them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from searches import ROOT, read

DEPLOY = ROOT / "deploy"
OPTIONS = ["--suite", "demo", "--tasks", "digits", "--trials", "1", "--epochs", "1", "--seeds", "1"]


def test_rays_cluster_launcher_accepts_the_cluster() -> None:
    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    validate_config(prepare_config(config))
    config["head_start_ray_command"] = config.pop("head_start_ray_commands")
    with pytest.raises(jsonschema.ValidationError):  # it does look
        validate_config(config)


def containers_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [one for group in groups for one in group["template"]["spec"]["containers"]]


def test_the_job_of_kuberay_asks_for_a_token_and_for_what_the_search_needs() -> None:
    job = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    words = job["spec"]["entrypoint"].split()
    assert words[:2] == ["python", "run_search.py"]
    shown = subprocess.run(
        [sys.executable, "run_search.py", "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True, env=os.environ | {"COLUMNS": "200"},
    ).stdout  # fmt: skip
    assert {word for word in words if word.startswith("--")} <= set(shown.split())
    for container in containers_of(job):
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "/shared" in mounts
        assert container["resources"]["limits"] == container["resources"]["requests"]


def test_the_slurm_script_runs_a_search(tmp_path: Path) -> None:
    """Slurm's part is played by two one-line commands; Ray and the search are real."""
    for name, line in {
        "scontrol": 'echo "$SLURM_JOB_NODELIST"',
        "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    }.items():
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)
    found = subprocess.run(
        ["bash", str(DEPLOY / "slurm.sh"), *OPTIONS, "--results", str(tmp_path / "results")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SLURM_JOB_NODELIST": "localhost", "SLURM_NNODES": "1", "SLURM_CPUS_PER_TASK": "1",
            "RAY_PORT": "26379",
        },
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert set(read(tmp_path / "results", "runs")["status"]) == {"completed"}
