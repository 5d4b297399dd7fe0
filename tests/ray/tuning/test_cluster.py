"""The cluster that a search starts: who reaches it, and who knows its token."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from searches import ROOT

STARTS = """
import json, os, time, urllib.error, urllib.request
import ray, psutil  # ray brings psutil
from rich.console import Console
from sa2vp.tuning.cluster import start_ray

class Actor:
    def interface(self):
        return os.environ["GLOO_SOCKET_IFNAME"]

def listening():
    here = psutil.Process()
    return [
        [" ".join(process.cmdline()), socket.laddr.ip, socket.laddr.port]
        for process in [here, *here.children(recursive=True)]
        for socket in process.net_connections()
        if socket.status == psutil.CONN_LISTEN
    ]

start_ray(Console(quiet=True), None, verbose=False, num_cpus=1)
actor = ray.remote(Actor).remote()
interface = ray.get(actor.interface.remote())
(node,) = ray.nodes()
deadline = time.monotonic() + 120
while node["MetricsExportPort"] not in [port for _, _, port in listening()]:
    assert time.monotonic() < deadline, listening()  # what starts last
    time.sleep(0.2)
try:
    dashboard = ray._private.worker._global_node.webui_url
    status = urllib.request.urlopen(f"http://{dashboard}/api/v0/actors").status
except urllib.error.HTTPError as error:
    status = error.code
found = {"listening": listening(), "status": status, "interface": interface}
print(json.dumps(found | {"address": node["NodeManagerAddress"]}))
"""


@dataclass(frozen=True)
class Started:
    """A cluster, started by a user whose environment disables the token and names interfaces.

    Attributes:
        home: of the user.
        listening: command line, address and port of each listening socket of its processes.
        status: which the dashboard gives who shows no token.
        interface: over which gloo lets the workers of a trial talk.
        address: of the node.
    """

    home: Path
    listening: list[tuple[str, str, int]]
    status: int
    interface: str
    address: str


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Started:
    home = tmp_path_factory.mktemp("home")
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", STARTS], cwd=ROOT, capture_output=True, text=True, check=False,
        env=environment | {"HOME": str(home), "RAY_AUTH_MODE": "disabled",
                           "GLOO_SOCKET_IFNAME": "eth0"}, umask=0o022,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Started(home, [tuple(one) for one in found.pop("listening")], **found)


def test_every_process_of_the_cluster_listens_on_this_machine_only(started: Started) -> None:
    commands = " ".join(command for command, _, _ in started.listening)
    for name in ("gcs_server", "raylet", "DashboardAgent", "RuntimeEnvAgent", "dashboard.py"):
        assert name in commands
    assert "ray::Actor" in commands
    assert STARTS in commands  # the driver
    elsewhere = [one for one in started.listening if not on_loopback(one[1])]
    assert not elsewhere
    assert on_loopback(started.address)
    assert started.interface == "lo"


def on_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def test_a_cluster_asks_for_the_token_though_the_environment_disables_it(started: Started) -> None:
    assert started.status in (401, 403)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_only_its_user_can_read_the_token(started: Started) -> None:
    file = started.home / ".ray" / "auth_token"
    assert len(file.read_text()) == 64
    assert (mode(file.parent), mode(file)) == (0o700, 0o600)
