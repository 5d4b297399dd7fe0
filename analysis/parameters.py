"""Mean accuracy against learned parameters, of this search and of the published methods."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.paper import FULL, THIS_SEARCH


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


def published_points(
    published: pd.DataFrame, settings: pd.DataFrame, backbone: str, tasks: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Place the published methods: by their learned parameters where these are at hand.

    They are for full fine-tuning (all), the linear probe (none beside the head) and SA2VP (counted
    on this project's model at the README's inter_dim).

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
    }
    learned = means["method"].map(known)
    points = means.assign(learned=learned)[learned.notna()]
    return points[["method", "learned", "top1_percent"]], means[learned.isna()]


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
