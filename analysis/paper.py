"""The paper's tables: a row per method, a column per task, and the means of groups of tasks."""

from __future__ import annotations

import pandas as pd

FULL = "full"
OWN_SUFFIX = ", this search"
THIS_SEARCH = f"sa2vp{OWN_SUFFIX}"
MEAN = "mean"
STATED_ROUNDING = 0.005
"""Points by which a mean stated with two digits may be rounded."""

TASK_ROUNDING = 0.05
"""Points by which a task's accuracy printed with one digit may be rounded, and so their mean."""


def method_table(
    published: pd.DataFrame, stated: pd.DataFrame, own: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Set the methods of one benchmark and backbone side by side, those of this search last.

    Args:
        published: columns task, group, method, top1_percent; tasks and methods in the order that
            they are to have. No task may be missing for all methods.
        stated: columns group, method, stated_mean_percent: the means of methods whose tasks are not
            at hand are taken from here.
        own: columns method, task and top1_percent of this search, where there is one.

    Returns:
        Columns method; each task; ``<group> mean`` of each group, if there are several, and
        ``mean`` over all tasks, each followed by ``<column> of``: empty where the mean is over all
        of its tasks, else ``5 of 7``, or ``stated``; won and compared: tasks on which the method is
        better than full fine-tuning, of how many.
    """
    tasks = published.drop_duplicates("task").set_index("task")["group"]
    rows = published.pivot_table(
        index="method", columns="task", values="top1_percent", sort=False
    ).reindex(columns=tasks.index)
    for method in stated["method"].drop_duplicates():
        if method not in rows.index:
            rows.loc[method] = float("nan")
    if own is not None:
        for method, of_method in own.groupby("method", sort=False):
            found = of_method.set_index("task")["top1_percent"]
            rows.loc[str(method) + OWN_SUFFIX] = found.reindex(tasks.index)
    means = _means(rows, tasks, stated)
    won = rows.gt(rows.loc[FULL]).sum(axis=1)
    compared = (rows.notna() & rows.loc[FULL].notna()).sum(axis=1)
    against = pd.DataFrame({"won": won, "compared": compared}).astype("Int64")
    against = against.mask((compared == 0) | (rows.index == FULL))
    return pd.concat([rows, means, against], axis=1).rename_axis("method").reset_index()


def _means(rows: pd.DataFrame, tasks: pd.Series, stated: pd.DataFrame) -> pd.DataFrame:
    """Average each group and all tasks."""
    groups = {f"{group} mean": tasks.index[tasks == group] for group in tasks.unique()}
    columns = (groups if len(groups) > 1 else {}) | {MEAN: tasks.index}
    given = stated.pivot_table(index="method", columns="group", values="stated_mean_percent")
    found: dict[str, pd.Series] = {}
    for name, members in columns.items():
        present = rows[members].notna().sum(axis=1)
        mean = rows[members].mean(axis=1)
        part = (present.astype(str) + f" of {len(members)}").mask(
            (present == 0) | (present == len(members))
        )
        group = name.removesuffix(" mean") if len(groups) > 1 else tasks.iloc[0]
        if group in given:
            only_stated = (present == 0) & given[group].reindex(rows.index).notna()
            mean = mean.mask(only_stated, given[group].reindex(rows.index))
            part = part.mask(only_stated, "stated")
        found |= {name: mean, f"{name} of": part}
    return pd.DataFrame(found, index=rows.index)


def stated_means(published: pd.DataFrame, stated: pd.DataFrame) -> pd.DataFrame:
    """Compare every stated mean with the one of its tasks.

    Args:
        published: columns benchmark, group, task, method, backbone, top1_percent.
        stated: columns benchmark, group, method, backbone, stated_mean_percent.

    Returns:
        The columns of ``stated`` with task_mean_percent, tasks (both empty where no task is
        published), difference (stated minus recomputed), differs (whether the mean of the printed
        accuracies, rounded to two digits, is another number) and unexplained (whether the rounding
        of the printed accuracies cannot be the reason).
    """
    key = ["benchmark", "group", "method", "backbone"]
    recomputed = published.groupby(key, as_index=False).agg(
        task_mean_percent=("top1_percent", "mean"), tasks=("task", "size")
    )
    joined = stated.merge(recomputed.astype({"tasks": "Int64"}), on=key, how="left")
    difference = joined["stated_mean_percent"] - joined["task_mean_percent"]
    size, slack = difference.abs(), 1e-9  # of binary fractions
    return joined.assign(
        difference=difference,
        differs=size > STATED_ROUNDING + slack,
        unexplained=size > STATED_ROUNDING + TASK_ROUNDING + slack,
    )


def configuration_table(
    found: pd.DataFrame, authors: pd.DataFrame, names: list[str]
) -> pd.DataFrame:
    """Set the configurations that this search found beside the authors'.

    Args:
        found: column task and the hyperparameters, of the final runs.
        authors: columns task and the same, as text: the README gives alternatives, ``64|128``; and
            note.
        names: of the hyperparameters.

    Returns:
        A row per task of the authors, in their order, and of this search: task, then each
        hyperparameter, the authors' (``<name>_authors``) after the found one, and note.
    """
    joined = authors.merge(
        found[["task", *names]], on="task", how="outer", suffixes=("_authors", "")
    )
    place = {task: number for number, task in enumerate(authors["task"])}
    joined = joined.sort_values("task", key=lambda tasks: tasks.map(place), kind="stable")
    columns = [column for name in names for column in (name, f"{name}_authors")]
    return joined[["task", *columns, "note"]].reset_index(drop=True)
