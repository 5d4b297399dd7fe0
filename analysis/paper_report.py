"""The paper's tables as they are shown: which there are, their columns, sources and remarks."""

from __future__ import annotations

import pandas as pd

from analysis.configurations import form_of
from analysis.layout import Column, Table
from analysis.paper import OWN_SUFFIX, configuration_table, method_table, stated_means
from analysis.published import (
    BACKBONE_NAMES,
    COMPARABLE,
    PROTOCOL_NOTES,
    PROTOCOLS,
    checked_note,
    read_author_settings,
    read_remarks,
)
from sa2vp.suites import SUITES

BACKBONES = {"vit-b16": "vit_b16_in21k", "swin-b": "swin_b_in22k"}
"""The search's names for the paper's backbones, and those of the published numbers."""

METHOD_TABLES = tuple(
    (suite.name, backbone) for suite in SUITES.values() for backbone in suite.published_on
)
"""Suites and backbones of which the paper has such a table, and its numbers are at hand."""

_PART_NOTE = (
    "A mean in brackets with '5 of 7' is over that many of the group's tasks; 'stated' is the "
    "source's own mean of tasks that are not at hand."
)
_WON_NOTE = (
    "better than full: tasks with a higher accuracy than full fine-tuning's, of those compared."
)
_OWN_NOTE = (
    "this search: the last epoch's test top-1, mean over seeds; its spread, and the best "
    "epoch on test, stand in the table of results."
)


def paper_table(
    suite: str,
    backbone: str,
    accuracy: pd.DataFrame,
    means: pd.DataFrame,
    own: pd.DataFrame | None = None,
) -> Table | None:
    """Make the paper's table of a suite and backbone; None where it has none.

    Args:
        suite: of the tasks.
        backbone: by the search's name.
        accuracy: as ``read_accuracy`` returns it.
        means: as ``read_group_means`` returns them.
        own: columns method, task and top1_percent of this search.
    """
    if (suite, backbone) not in METHOD_TABLES:
        return None
    chosen = {"benchmark": suite, "backbone": BACKBONES[backbone]}
    published, stated = (
        frame[(frame[list(chosen)] == pd.Series(chosen)).all(axis=1)] for frame in (accuracy, means)
    )
    frame = method_table(published, stated, own)
    of_compared = "of " + frame["compared"].astype("string")
    frame = frame.assign(**{"won of": of_compared})
    remarks = read_remarks(suite, BACKBONES[backbone])
    frame = _by_protocol(frame, remarks)
    sources = pd.concat([published["source"], stated["source"]]).unique()
    caption = f"Test top-1 in percent. Sources: {'; '.join(sources)}."
    marks = pd.concat([published[["checked"]], stated[["checked"]]])
    notes = [_WON_NOTE, *_remark_notes(frame, remarks), checked_note(marks)]
    if frame.filter(regex="mean of$").notna().any(axis=None):
        notes.insert(0, _PART_NOTE)
    if own is not None:
        notes.insert(0, _OWN_NOTE)
    name = f"methods-{suite}-{backbone}"
    title = f"{suite} on {BACKBONE_NAMES[BACKBONES[backbone]]}: methods"
    return Table(name, title, caption, frame, _columns(frame), tuple(notes))


def _by_protocol(frame: pd.DataFrame, remarks: pd.DataFrame) -> pd.DataFrame:
    """Mark methods of other protocols; those that are not to be compared go below the others."""
    protocols = remarks.dropna(subset=["protocol"]).set_index("method")["protocol"]
    protocol = frame["method"].map(protocols)
    place = (protocol.notna() & (protocol != COMPARABLE)).astype(int)
    # This search's rows stay last.
    place = place.mask(frame["method"].str.endswith(OWN_SUFFIX), 2)
    frame = frame.assign(protocol=protocol.map(PROTOCOLS), protocol_key=protocol.fillna("vpt"))
    return frame.loc[place.sort_values(kind="stable").index].reset_index(drop=True)


def _remark_notes(frame: pd.DataFrame, remarks: pd.DataFrame) -> list[str]:
    """Explain the protocols that occur, and say what is known to be wrong or in conflict."""
    occurring = set(frame["protocol_key"])
    notes = [note for key, note in PROTOCOL_NOTES.items() if key in occurring]
    said = remarks[remarks["method"].isin(frame["method"])].dropna(subset=["remark"])
    return [*notes, *(f"{row.method}: {row.remark}." for row in said.itertuples())]


def _columns(frame: pd.DataFrame) -> tuple[Column, ...]:
    """Lay the columns out: the means first, since they are what is looked at first."""
    means = [name for name in frame if name != "won" and f"{name} of" in frame]
    rest = {
        "method",
        "won",
        "won of",
        "compared",
        "protocol",
        "protocol_key",
        *means,
        *(f"{name} of" for name in means),
    }
    tasks = [name for name in frame if name not in rest]
    return (
        Column("method", "method", part="protocol"),
        *(Column(str(name), str(name), ".2f", part=f"{name} of") for name in means),
        Column("better than full", "won", "d", part="won of"),
        *(Column(str(task), str(task), ".1f", opens_part=task == tasks[0]) for task in tasks),
    )


def table_of_configurations(
    suite: str, backbone: str, found: pd.DataFrame, searched: list[str]
) -> Table | None:
    """Set the found configurations beside the authors'; None where their README lists none.

    Args:
        suite: of the tasks.
        backbone: by the search's name.
        found: column task and those of the searched hyperparameters, of the final runs.
        searched: their names.
    """
    of_readme = {"vit-b16": "vit_b16", "swin-b": "swin_b"}.get(backbone)
    authors = read_author_settings(suite, of_readme or "")
    if authors.empty:
        return None
    names = [name for name in searched if name in authors]
    frame = configuration_table(found, authors, names)
    columns = [Column("task", "task")]
    for name in names:
        header = name.replace("batch_size", "batch size")
        columns += [
            Column(header, name, form_of(found[name]), opens_part=name == names[len(names) // 2]),
            Column(f"{header}, authors", f"{name}_authors"),
        ]
    columns.append(Column("the authors' remark", "note"))
    return Table(
        f"configurations-{suite}-{backbone}",
        f"{suite} on {BACKBONE_NAMES[BACKBONES[backbone]]}: configurations",
        "Found by this search, beside the README of tommy-xq/SA2VP; a bar parts alternatives.",
        frame,
        tuple(columns),
    )


def stated_means_table(accuracy: pd.DataFrame, means: pd.DataFrame) -> Table:
    """List the stated means that are another number than the mean of the printed accuracies."""
    found = stated_means(accuracy, means)
    known = found["tasks"].notna().sum()
    differing = found[found["differs"]].assign(
        backbone=lambda frame: frame["backbone"].map(BACKBONE_NAMES)
    )
    unexplained = int(found["unexplained"].sum())
    caption = (
        f"{len(differing)} of {known} stated means whose tasks are at hand. In {unexplained} of "
        "them the rounding of the tasks' accuracies to one digit cannot be the reason."
    )
    columns = (
        Column("method", "method"), Column("benchmark", "benchmark"), Column("group", "group"),
        Column("backbone", "backbone"), Column("tasks", "tasks", "d"),
        Column("stated mean", "stated_mean_percent", ".2f"),
        Column("mean of tasks", "task_mean_percent", ".3f"),
        Column("difference", "difference", "+.3f"),
    )  # fmt: skip
    title = "Stated means that their tasks do not give"
    return Table("stated-means", title, caption, differing, columns)
