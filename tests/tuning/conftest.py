"""A search that nothing interrupts, for tests to compare with, and an object store."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from searches import TINY, free_port, run_search, wait_for


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the results of an uninterrupted search."""
    results = tmp_path_factory.mktemp("finished")
    done = run_search(results, *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Dashboard: http://127.0.0.1:" in done.stdout
    assert "ray get-auth-token" in done.stdout
    assert "2/2" in done.stdout
    return results


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve an object store; gives a bucket's URI."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    server = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as store:
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        boto3.client("s3").create_bucket(Bucket="results")
        yield "s3://results/sa2vp"
        store.terminate()
