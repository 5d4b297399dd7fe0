"""Mean accuracy against learned parameters, of this search and of the published methods."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.paper import FULL, THIS_SEARCH
from search_spaces.vpt import VPT_LENGTHS


class _Counts(NamedTuple):
    """Parameters of a backbone, and what SA2VP learns on it: a line in inter_dim."""

    backbone: int
    per_channel: int
    fixed: int


# Counted on this project's models (tests/unit/analysis/test_parameters.py); heads are left out.
COUNTS = {
    "vit_b16_in21k": _Counts(85_798_656, 21_339, 31_488),
    "swin_b_in22k": _Counts(86_743_224, 21_714, 27_776),
}

LEARNED = {
    "vit_b16_in21k": {
        "partial-1": 7_089_408,
        "mlp-3": 1_184_256,
        "sidetune": 9_547_585,
        "bias": 102_912,
        "adapter-8": 1_779_840,
        "adapter-64": 230_544,
        "adapter-256": 64_548,
    },
    "swin_b_in22k": {"partial-1": 12_603_680, "mlp-3": 2_103_296, "bias": 200_760},
}
"""What other published methods learn, counted likewise."""


def published_points(
    published: pd.DataFrame, settings: pd.DataFrame, backbone: str, tasks: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Place the published methods: by their learned parameters where these are at hand.

    They are counted on this project's models; SA2VP's at the README's inter_dim, VPT's on a ViT at
    its own prompt lengths.

    Args:
        published: columns task, method, backbone and top1_percent of one benchmark.
        settings: the authors', columns task and inter_dim (as text).
        backbone: by the published numbers' name.
        tasks: over which the means are; a method that lacks one is left out.

    Returns:
        Points (columns method, learned, top1_percent) and lines (method, top1_percent).
    """
    rows = published[(published["backbone"] == backbone) & published["task"].isin(tasks)]
    means = rows.groupby("method", sort=False)["top1_percent"].agg(["mean", "size"])
    means = means[means["size"] == len(tasks)].rename(columns={"mean": "top1_percent"})
    means = means.reset_index()[["method", "top1_percent"]]
    counts = COUNTS[backbone]
    dims = settings[settings["task"].isin(tasks)]["inter_dim"].astype(int)
    known = {
        FULL: counts.backbone,
        "linear": 0,
        "sa2vp": counts.fixed + counts.per_channel * dims.mean(),
        **LEARNED[backbone],
        **(_learned_prompts(tasks) if backbone == "vit_b16_in21k" else {}),
    }
    learned = means["method"].map(known)
    points = means.assign(learned=learned)[learned.notna()]
    return points[["method", "learned", "top1_percent"]], means[learned.isna()]


def _learned_prompts(tasks: list[str]) -> dict[str, float]:
    """Count what VPT learns on ViT-B/16, a mean over tasks that its lengths are known of."""
    lengths = [pair for (_, task), pair in VPT_LENGTHS.items() if task in tasks]
    if len(lengths) < len(tasks):
        return {}
    shallow, deep = (sum(one) / len(tasks) for one in zip(*lengths, strict=True))
    return {"vpt-shallow": 768 * shallow, "vpt-deep": 12 * 768 * deep}


def own_points(rows: pd.DataFrame, *, by_task: bool) -> pd.DataFrame:
    """Place this search's final runs.

    Args:
        rows: a row per task, as ``task_results`` gives them, without means.
        by_task: a point per task, not one for their mean.

    Returns:
        Columns method, learned and top1_percent.
    """
    names = {"trainable_params": "learned", "test_top1_mean": "top1_percent"}
    points = rows.rename(columns=names)[["task", "learned", "top1_percent"]].dropna()
    if by_task:
        return points.rename(columns={"task": "method"})
    means = points[["learned", "top1_percent"]].mean()
    return pd.DataFrame([{"method": THIS_SEARCH, **means}])
