"""Searches on disks that are full, in an object store, and on machines that are lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import fs
from searches import (
    ROOT,
    TIMELESS,
    TINY,
    epochs_of,
    free_port,
    read,
    run_search,
    start_search,
    wait_for,
    workers_of,
)  # fmt: skip

DEADLINE_SECONDS = 240
TOKEN = {"RAY_AUTH_MODE": "token"}


def test_a_full_disk_ends_a_search_in_one_line_and_the_same_command_continues_it(
    finished: Path, tmp_path: Path
) -> None:
    results, saved = tmp_path / "results", tmp_path / "saved"
    results.mkdir()
    own_mounts = ["unshare", "--mount", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=1500k none {results}"
    if subprocess.run([*own_mounts, *mount.split()], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    script = f'{mount} && "$@"; code=$?; cp -a {results} {saved}; exit $code'
    search = start_search(results, *TINY, before=[*own_mounts, "sh", "-c", script, "sh"])
    output, _ = search.communicate(timeout=DEADLINE_SECONDS)
    assert search.returncode == 1, output
    assert os.strerror(28) in output
    assert "Traceback" not in output
    assert output.endswith("Not finished. The same command continues it.\n")
    results.rmdir()
    saved.rename(results)  # now with room
    assert "failed" not in set(read(results, "runs")["status"])
    continued = run_search(results, *TINY)
    assert continued.returncode == 0, continued.stdout + continued.stderr
    pd.testing.assert_frame_equal(
        read(results, "epochs")[TIMELESS], read(finished, "epochs")[TIMELESS]
    )


def files_of(uri: str, dataset: str) -> dict[str, fs.FileInfo]:
    """List a dataset's files by run."""
    filesystem, path = fs.FileSystem.from_uri(f"{uri}/{dataset}")
    infos = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return {Path(info.path).stem: info for info in infos if info.extension == "parquet"}


def read_uri(uri: str, dataset: str) -> pd.DataFrame:
    """Read a dataset that nobody writes to, in order of run_id."""
    filesystem, _ = fs.FileSystem.from_uri(uri)
    files = [info.path for _, info in sorted(files_of(uri, dataset).items())]
    rows = [pd.read_parquet(file, filesystem=filesystem) for file in files]
    return pd.concat(rows, ignore_index=True)


def test_a_search_in_an_object_store_goes_on_after_its_driver_is_killed(
    finished: Path, bucket: str
) -> None:
    driver = start_search(bucket, *TINY)
    # Only listed: an object that is replaced between two requests reads as a damaged file.
    wait_for(lambda: "demo-digits-search-0001" in files_of(bucket, "epochs"))
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    continued = run_search(bucket, *TINY)
    assert continued.returncode == 0, continued.stdout + continued.stderr
    pd.testing.assert_frame_equal(
        read_uri(bucket, "epochs")[TIMELESS], read(finished, "epochs")[TIMELESS]
    )


def ray(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Ray's command line."""
    return subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *arguments],
        cwd=ROOT, env=os.environ | TOKEN, capture_output=True, text=True, check=False,
    )  # fmt: skip


class Nodes:
    """Ray nodes of this machine, started as on machines of their own.

    Args:
        folder: of the cluster's temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self._port, self._dashboard = free_port(), free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.dashboard = f"http://127.0.0.1:{self._dashboard}"
        self.folder = folder
        self._nodes: list[subprocess.Popen[bytes]] = []
        token = ray("get-auth-token", "--generate").stdout.split()[-1]
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, path: str) -> Any:
        """Ask the dashboard for something; None while it does not answer."""
        url = f"http://127.0.0.1:{self._dashboard}{path}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=self._headers), timeout=5
            ) as answer:
                return json.load(answer)
        except OSError:
            return None

    def alive(self) -> int:
        """Count the nodes that live."""
        found = self.ask("/api/v0/nodes")
        rows = found["data"]["result"]["result"] if found else []
        return sum(row["state"] == "ALIVE" for row in rows)

    def ended(self, job: str) -> dict[str, Any] | None:
        """Describe a job that has ended; None before."""
        answer: dict[str, Any] | None = self.ask(f"/api/jobs/{job}")
        return answer if answer and answer["status"] not in ("PENDING", "RUNNING") else None

    def start(self, **resources: float) -> subprocess.Popen[bytes]:
        """Start a node, the first of them as the head."""
        if self._nodes:
            role = ["--address", self.address]
        else:
            role = [
                "--head", "--port", str(self._port), "--dashboard-port", str(self._dashboard),
                "--temp-dir", str(self.folder),
            ]  # fmt: skip
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", *role, "--block",
            "--num-cpus", "1", "--resources", json.dumps(resources),
        ]  # fmt: skip
        node = subprocess.Popen(
            command,
            env=os.environ | TOKEN,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._nodes.append(node)
        return node

    def stop(self) -> None:
        """Kill every node."""
        for node in self._nodes:
            kill_node(node)


def kill_node(node: subprocess.Popen[bytes]) -> None:
    """Kill a node with all its processes, as a machine that loses its power."""
    try:
        os.killpg(node.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    node.wait()


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Give a cluster of no node yet."""
    # A path that is short enough for the sockets in it.
    folder = Path("/tmp") / f"sa2vp-{os.getpid()}"  # noqa: S108
    cluster = Nodes(folder)
    yield cluster
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


def begun_on(node: subprocess.Popen[bytes], results: Path) -> str | None:
    """Find the run that a node trains, if it has two to six epochs of eight.

    The checkpoint of the first is whole then: it is saved before the second is trained.
    """
    for pid in workers_of(node):
        with contextlib.suppress(OSError):  # the process is gone
            title = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            run_id = title.split()[-1]
            if run_id.startswith("demo-") and 2 <= epochs_of(results, run_id) <= 6:
                return run_id
    return None


def submit(nodes: Nodes, results: Path, *arguments: str) -> str:
    """Run ``ray job`` with the search, once a node takes jobs; gives the job's name."""

    def taken() -> bool:
        submitted = ray(
            "job", "submit", "--no-wait", "--address", nodes.dashboard,
            "--submission-id", "sa2vp-demo",
            "--", sys.executable, str(ROOT / "run_search.py"), "--address", nodes.address,
            "--results", str(results), *arguments,
        )  # fmt: skip
        answer = submitted.stdout + submitted.stderr
        # A node counts as alive before its agent, which starts jobs, has begun.
        assert submitted.returncode == 0 or "No available agent" in answer, answer
        return submitted.returncode == 0

    wait_for(taken)
    return "sa2vp-demo"


def test_a_search_submitted_to_two_nodes_goes_on_when_one_of_them_is_lost(
    nodes: Nodes, tmp_path: Path
) -> None:
    nodes.start()
    wait_for(lambda: nodes.alive() == 1)
    other = nodes.start()
    # Long enough for the other node's worker to start before this node's is free for its run.
    options = [
        "--suite", "demo", "--tasks", "digits", "--trials", "2", "--epochs", "8",
        "--grace-epochs", "8", "--seeds", "1",
    ]  # fmt: skip
    wait_for(lambda: nodes.alive() == 2)
    job = submit(nodes, tmp_path, *options)
    lost = wait_for(lambda: begun_on(other, tmp_path))
    kill_node(other)
    ended = wait_for(lambda: nodes.ended(job))
    assert ended["status"] == "SUCCEEDED", nodes.ask(f"/api/jobs/{job}/logs")
    assert "run_search.py --address" in ended["entrypoint"]
    runs = read(tmp_path, "runs").set_index("run_id")
    assert list(runs.index) == [
        f"demo-digits-{run}" for run in ("final-seed1", "search-0000", "search-0001")
    ]
    assert set(runs["status"]) == {"completed"}
    for run_id in runs.index:
        epochs = pd.read_parquet(tmp_path / "epochs" / f"{run_id}.parquet")["epoch"]
        assert list(epochs) == list(range(1, 9))
    # It was trained on from its checkpoint, on the node that was left.
    (log,) = nodes.folder.glob(f"session_2*/logs/sa2vp-{lost}.log")
    starts = re.findall(r"after epoch (\d)", log.read_text())
    assert int(starts[-1]) >= 1
