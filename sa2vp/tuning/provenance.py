"""What every row says about where its numbers come from."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import sa2vp

COMMIT = re.compile(r"[0-9a-f]{7,64}(-dirty)?")
"""How git names a commit, marked where files differ from it."""

PACKAGES = ("torch", "timm", "ray", "optuna", "numpy")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Versions and commit.

    Attributes:
        versions: JSON by package, Python and this project included.
        commit: of the checkout that this project runs from, or, where there is none, the one that
            SA2VP_COMMIT names; None where neither is known.
    """

    versions: str
    commit: str | None


@lru_cache(maxsize=1)
def gather_provenance() -> Provenance:
    """Read the versions of this process's environment."""
    versions = {"sa2vp": sa2vp.__version__, "python": platform.python_version()}
    versions |= {package: version(package) for package in PACKAGES}
    return Provenance(json.dumps(versions), find_commit())


def find_commit() -> str | None:
    """Give the commit of the checkout, or of the environment where there is none.

    An image or a job's working folder has no checkout: who makes it says in SA2VP_COMMIT what
    ``git describe`` said there. Anything that is no commit is ignored.
    """
    named = os.environ.get("SA2VP_COMMIT", "")
    return _commit_of_checkout() or (named if COMMIT.fullmatch(named) else None)


def _commit_of_checkout() -> str | None:
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
