"""The script for Slurm, as far as a machine without it can follow it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from searches import ROOT, read

OPTIONS = ["--suite", "demo", "--tasks", "digits", "--trials", "1", "--epochs", "1", "--seeds", "1"]


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
        ["bash", ROOT / "deploy" / "slurm.sh", *OPTIONS, "--results", tmp_path / "results"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SLURM_JOB_NODELIST": "localhost", "SLURM_NNODES": "1", "SLURM_CPUS_PER_TASK": "1",
            "RAY_PORT": "26379",
        },
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert set(read(tmp_path / "results", "runs")["status"]) == {"completed"}
