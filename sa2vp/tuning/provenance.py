"""What every row says about where its numbers come from."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import sa2vp

PACKAGES = ("torch", "timm", "ray", "optuna", "numpy")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Versions, commit and data.

    Attributes:
        versions: by package, Python and this project included.
        commit: of the checkout that this project runs from; None where it is installed elsewhere.
        fingerprints: of each task's data.
    """

    versions: dict[str, str]
    commit: str | None
    fingerprints: dict[str, str]


def gather_provenance(fingerprints: dict[str, str]) -> Provenance:
    """Read the versions of this environment."""
    versions = {"sa2vp": sa2vp.__version__, "python": platform.python_version()}
    versions |= {package: version(package) for package in PACKAGES}
    return Provenance(versions, _commit(), fingerprints)


def _commit() -> str | None:
    """Give the checkout's commit, marked where files differ from it."""
    git = shutil.which("git")
    checkout = Path(__file__).parents[2]
    if git is None or not (checkout / ".git").exists():
        return None
    described = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None
