"""What keeps a Ray cluster that is started here to its user: loopback addresses and a token."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray._private import ray_constants

from sa2vp.options import OptionError
from sa2vp.text import one_line

TOKEN_FILE = Path(".ray") / "auth_token"
"""Where Ray keeps the token, below the user's home folder."""

_LOOPBACK = {
    # Whether Ray's processes get an address that other machines reach; by default so on Linux.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Where the workers of one trial talk to each other.
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
}
"""What the processes of the cluster find in their environment."""


@contextmanager
def private_cluster() -> Iterator[None]:
    """Make the cluster that ``ray.init`` starts meanwhile listen here only, and ask for a token.

    ``ray.init(_node_ip_address="127.0.0.1")`` is no help: Ray 2.60 replaces that by the address
    that other machines reach.

    Raises:
        OptionError: the token's file cannot be closed to other users, or Ray listens elsewhere.
    """
    keep_token_private()
    # Unset, Ray asks for the token on any cluster that it starts.
    os.environ.pop("RAY_AUTH_MODE", None)
    before = {name: os.environ.get(name) for name in _LOOPBACK}
    several_machines = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(_LOOPBACK)
    ray_constants.ENABLE_RAY_CLUSTER = False  # what this process read of it, importing Ray
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = several_machines
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    address = ray.util.get_node_ip_address()
    if not ipaddress.ip_address(address).is_loopback:
        ray.shutdown()
        raise OptionError(
            "--address",
            f"Ray {ray.__version__} listens on {address}, where other machines reach it; "
            "start a cluster yourself (ray start --head) and pass --address auto",
        )


def keep_token_private() -> None:
    """Close the token's file to other users, and make it where there is none.

    Ray itself would make it readable by all. A token that the environment gives is left alone.

    Raises:
        OptionError: the file or its folder cannot be made so.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    file = Path("~") / TOKEN_FILE
    try:
        file = file.expanduser()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close(file.parent, 0o700)
        if not file.exists():
            _make_token(file)
        _close(file, 0o600)
    except (OSError, RuntimeError) as error:  # the latter where there is no home folder
        raise OptionError(
            str(file),
            f"cannot be made a file that only you read ({one_line(error)}); "
            "write a token into another one and set RAY_AUTH_TOKEN_PATH to it",
        ) from error


def _close(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 != mode:
        path.chmod(mode)


def _make_token(file: Path) -> None:
    """Write a new token, whole or not at all; one that another search has just made stays.

    Raises:
        OSError: it cannot be written.
    """
    token = secrets.token_hex(32)
    made = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        _write_new(made, token)
        try:
            file.hardlink_to(made)
        except FileExistsError:
            return
        except OSError:  # some file systems know no hard links
            with suppress(FileExistsError):
                _write_new(file, token)
    finally:
        made.unlink(missing_ok=True)


def _write_new(file: Path, token: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(token)
