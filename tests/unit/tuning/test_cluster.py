"""The clusters that a search joins or may not start, and the file of the token."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ray.exceptions import AuthenticationError, RayError
from rich.console import Console

from sa2vp.options import OptionError
from sa2vp.tuning.cluster import start_ray
from sa2vp.tuning.local_ray import keep_token_private


def test_a_joined_cluster_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    asked: list[str] = []

    def init(address: str, **_: object) -> None:
        asked.append(address)
        raise ConnectionError(os.environ["RAY_AUTH_MODE"])

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    for address in ("auto", None):
        with pytest.raises(OptionError, match=r"--address: no Ray cluster .* disabled$"):
            start_ray(Console(quiet=True), address, verbose=False)
    assert asked == ["auto", "192.0.2.1:6379"]
    assert not (tmp_path / ".ray").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            AuthenticationError("no token.\nSee elsewhere"),
            "--address: the Ray cluster at '192.0.2.1:6379' asks for its token; .*TOKEN_PATH",
        ),
        (RayError("two\n  lines"), "--address: no Ray cluster at '192.0.2.1:6379': two lines$"),
    ],
    ids=["token", "other"],
)
def test_a_cluster_that_refuses_is_named_with_the_option(
    monkeypatch: pytest.MonkeyPatch, error: RayError, told: str
) -> None:
    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(OptionError, match=told) as refused:
        start_ray(Console(quiet=True), "192.0.2.1:6379", verbose=False)
    assert "\n" not in str(refused.value)


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(
        OptionError, match=r"^--address: no Ray cluster at 'foo://x': .*foo"
    ) as told:
        start_ray(Console(quiet=True), "foo://x", verbose=False)
    assert "\n" not in str(told.value)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def token_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Name the token's file of a user who has none, and nothing in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # which a search unsets
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path / ".ray" / "auth_token"


def test_a_token_that_others_can_read_is_closed_and_stays(token_file: Path) -> None:
    token_file.parent.mkdir(mode=0o755)
    token_file.write_text("my token")
    token_file.chmod(0o644)
    keep_token_private()
    assert token_file.read_text() == "my token"
    assert (mode(token_file.parent), mode(token_file)) == (0o700, 0o600)
    assert list(token_file.parent.iterdir()) == [token_file]


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_a_token_of_the_environment_is_left_alone(
    token_file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "mine")
    keep_token_private()
    assert not token_file.parent.exists()


def test_a_token_that_cannot_be_closed_is_refused_by_file(token_file: Path) -> None:
    token_file.parent.write_text("a file in the folder's place")
    with pytest.raises(OptionError, match=r"^\S+auth_token: cannot be made .*RAY_AUTH_TOKEN_PATH"):
        start_ray(Console(quiet=True), None, verbose=False)


def test_a_user_without_a_home_folder_is_told_so(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: int) -> object:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(OptionError, match=r"^~/\.ray/auth_token: cannot .*RAY_AUTH_TOKEN_PATH"):
        start_ray(Console(quiet=True), None, verbose=False)
    assert not token_file.parent.exists()


def test_a_token_is_made_where_there_are_no_hard_links(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", link)
    keep_token_private()
    assert len(token_file.read_text()) == 64
    assert (mode(token_file.parent), mode(token_file)) == (0o700, 0o600)
    assert list(token_file.parent.iterdir()) == [token_file]


def test_a_cluster_that_others_would_reach_is_ended_and_refused(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a version of Ray would have it that knows nothing of the switch."""
    ended: list[bool] = []
    monkeypatch.setattr("ray.init", lambda **_: None)
    monkeypatch.setattr("ray.shutdown", lambda: ended.append(True))
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "192.0.2.1")
    with pytest.raises(OptionError, match=r"^--address: Ray \S+ listens on 192\.0\.2\.1, where"):
        start_ray(Console(quiet=True), None, verbose=False)
    assert ended == [True]
    assert mode(token_file) == 0o600
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ
