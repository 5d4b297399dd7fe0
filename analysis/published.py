"""The published accuracies, kept as data beside this module, each with its source."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

_FOLDER = Path(__file__).parent / "published"
# Not by importing the package, which brings Optuna with it.
_SETTINGS = Path(__file__).parents[1] / "search_spaces" / "readme_hyperparameters.csv"

# What the marks in the column ``checked`` say about a value.
CHECKED = {
    "text": "transcribed from the source's text",
    "row-mean": "transcribed; the mean of its row agrees with the stated mean, but the value was "
    "not read again in the PDF",
    "unchecked": "the stated mean only; its tasks' values are not at hand",
    "third-hand": "from another paper's table, and not read in its source",
}

PROTOCOLS = {
    "noah": "NOAH's protocol",
    "weights": "other weights",
    "sa2vp": "SA2VP's protocol",
    "unknown": "protocol not known",
}
"""Under what a method was measured, where not under VPT's protocol, in a reader's words."""

COMPARABLE = "sa2vp"
"""The one that this project follows; its rows stand among VPT's."""

PROTOCOL_NOTES = {
    "vpt": "Rows without a mark are of VPT's protocol: the ViT's weights from ImageNet-21k (JAX), "
    "images normalised by ImageNet's mean and standard deviation, VTAB-1k without augmentation, "
    "hyperparameters searched for each task.",
    "sa2vp": "SA2VP's protocol: the same weights, images normalised with 0.5 and 0.5, VTAB-1k "
    "without augmentation; its released code prints the best epoch on test.",
    "noah": "NOAH's protocol: the same hyperparameters for every task, without a search; not to be "
    "compared with rows that were searched.",
    "weights": "other weights: AugReg's, which are not VPT's; not to be compared.",
    "unknown": "protocol not known: as other papers reprint the row; not to be compared.",
}

# The names of the backbones in the files, as a reader knows them.
BACKBONE_NAMES = {"vit_b16_in21k": "ViT-B/16", "swin_b_in22k": "Swin-B"}


def read_accuracy() -> pd.DataFrame:
    """Read the published accuracies: a row per benchmark, task, method and backbone.

    Returns:
        Columns benchmark, group, task, method, backbone, top1_percent, source, checked.
    """
    return pd.read_csv(_FOLDER / "published_accuracy.csv")


def read_group_means() -> pd.DataFrame:
    """Read the published group means: a row per benchmark, group, method and backbone.

    Returns:
        Columns benchmark, group, method, backbone, stated_mean_percent (as the source prints it),
        mean_of_tasks (percent; empty where the tasks are not at hand), source, checked.
    """
    return pd.read_csv(_FOLDER / "published_group_means.csv")


def read_remarks(benchmark: str, backbone: str) -> pd.DataFrame:
    """Read what must be known of a benchmark's published rows on a backbone.

    Returns:
        Columns method, protocol (one of ``PROTOCOLS``; empty for VPT's) and remark; a method with
        several remarks has several rows.
    """
    rows = pd.read_csv(_FOLDER / "published_remarks.csv")
    holds = [
        rows[name].isna() | (rows[name] == value)
        for name, value in (("benchmark", benchmark), ("backbone", backbone))
    ]
    return rows.loc[holds[0] & holds[1], ["method", "protocol", "remark"]].reset_index(drop=True)


def comparable(rows: pd.DataFrame, benchmark: str, backbone: str) -> pd.DataFrame:
    """Leave out methods that were measured under a protocol that is not to be compared with."""
    remarks = read_remarks(benchmark, backbone).dropna(subset=["protocol"])
    others = remarks.loc[remarks["protocol"] != COMPARABLE, "method"]
    return rows[~rows["method"].isin(others)]


def read_author_settings(benchmark: str, backbone: str) -> pd.DataFrame:
    """Read the configurations in the authors' README, as text, since it gives alternatives.

    Args:
        benchmark: a suite.
        backbone: ``vit_b16`` or ``swin_b``.

    Returns:
        Columns task, inter_dim, inter_weight, batch_size, lr, weight_decay and note, in the
        README's order; no rows for what it does not list.
    """
    rows = pd.read_csv(_SETTINGS, dtype=str)
    chosen = rows[(rows["benchmark"] == benchmark) & (rows["backbone"] == backbone)]
    return chosen.drop(columns=["benchmark", "backbone"]).reset_index(drop=True)


def sa2vp_accuracy(accuracy: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Pick SA2VP's rows on ViT-B/16, the only backbone with published values per task.

    Args:
        accuracy: as ``read_accuracy`` returns it.
        benchmark: a suite; one that the paper does not report gives no rows.

    Returns:
        The columns of ``accuracy``, in the published order of the tasks.
    """
    rows = accuracy.query("method == 'sa2vp' and backbone == 'vit_b16_in21k'")
    return rows[rows["benchmark"] == benchmark].reset_index(drop=True)


def checked_note(rows: pd.DataFrame) -> str:
    """Explain the marks that stand in the column ``checked``."""
    marks = [f"{mark} = {CHECKED[mark]}" for mark in rows["checked"].unique()]
    return f"checked: {'; '.join(marks)}."


def sa2vp_group_means(means: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Set SA2VP's stated group means beside the means of its published tasks.

    Returns:
        Columns benchmark, group, backbone (as a reader knows it), stated_mean_percent,
        task_mean_percent and tasks (both empty where no task is published), source, checked.
    """
    key = ["benchmark", "group", "backbone"]
    tasks = accuracy[accuracy["method"] == "sa2vp"].groupby(key, as_index=False)
    recomputed = tasks.agg(task_mean_percent=("top1_percent", "mean"), tasks=("task", "size"))
    wanted = [*key, "stated_mean_percent", "source", "checked"]
    stated = means.loc[means["method"] == "sa2vp", wanted]
    joined = stated.merge(recomputed.astype({"tasks": "Int64"}), on=key, how="left")
    return joined.assign(backbone=joined["backbone"].map(BACKBONE_NAMES))
