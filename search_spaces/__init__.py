"""Search spaces as plain data, one module per suite."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces import custom, demo, fgvc, hta, vtab
from search_spaces.kinds import Choice, Configuration, LogUniform, Range, TaskSpace, Uniform, Value

__all__ = [
    "SPACES",
    "Choice",
    "Configuration",
    "LogUniform",
    "Range",
    "TaskSpace",
    "Uniform",
    "Value",
    "remark",
    "task_space",
]

SPACES: Mapping[str, Mapping[str, TaskSpace]] = {
    "demo": demo.SPACES,
    "fgvc": fgvc.SPACES,
    "vtab-1k": vtab.SPACES,
    "hta": hta.SPACES,
}
"""For each suite, the space of each task on a ViT."""


README_ROWS = {"fgvc": ("vit",), "vtab-1k": ("vit", "swin"), "hta": ("vit",)}
"""For each suite of the paper, the backbones that the authors' README gives configurations for."""


def remark(suite: str, backbone: str) -> str | None:
    """Say where the initial configurations of a suite are those of another backbone."""
    family = "swin" if backbone.startswith("swin") else "vit"
    if family in README_ROWS.get(suite, (family,)):
        return None
    return (
        f"The authors' README has no configurations of {suite} for a Swin: each task's search "
        "opens with those for ViT-B/16."
    )


def task_space(suite: str, task: str, backbone: str) -> TaskSpace:
    """Give the space that a task is searched in on a backbone of this name."""
    if suite == "custom":
        return custom.SPACE
    if suite == "vtab-1k" and backbone.startswith("swin"):
        return vtab.SWIN_SPACES[task]
    return SPACES[suite][task]
