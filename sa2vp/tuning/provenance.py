"""What every row says about where its numbers come from."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import sa2vp

PACKAGES = ("torch", "timm", "ray", "optuna", "numpy")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Versions and commit.

    Attributes:
        versions: JSON by package, Python and this project included.
        commit: of the checkout that this project runs from; None where it is installed elsewhere.
    """

    versions: str
    commit: str | None


@lru_cache(maxsize=1)
def gather_provenance() -> Provenance:
    """Read the versions of this process's environment."""
    versions = {"sa2vp": sa2vp.__version__, "python": platform.python_version()}
    versions |= {package: version(package) for package in PACKAGES}
    return Provenance(json.dumps(versions), _commit())


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
