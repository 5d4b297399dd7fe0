"""The charts of the report: each takes frames of one task, or of one suite, and gives SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from analysis.comparison import MeanRanks
from analysis.configurations import searched_names, with_values
from analysis.svg import COLOURS, INK, drawing
from sa2vp.text import printable

BLUE, ORANGE, GREEN, PINK, RED, _ = COLOURS
STATUS_COLOURS = {"completed": GREEN, "stopped": ORANGE, "failed": RED, "running": BLUE}
NAMED_CLASSES = 20
"""More classes than that leave no room for their names."""

TOP1 = "top-1, %"


def learning_curves(task: str, trials: pd.DataFrame, finals: pd.DataFrame) -> str:
    """Draw validation top-1 of trials, thin, and test top-1 of final runs, over the epochs.

    Args:
        task: for the title.
        trials: columns run_id, epoch and val_top1 of the trials that are shown.
        finals: columns run_id, epoch and test_top1.
    """
    with drawing(f"Learning curves of {task}") as (axes, svg):
        _curves(axes, trials, "val_top1", "trials, validation", color=BLUE, lw=0.7, alpha=0.6)
        _curves(axes, finals, "test_top1", "final runs, test", color=ORANGE, lw=1.8)
        axes.set(xlabel="epoch", ylabel=TOP1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower right")
        return svg()


def _curves(
    axes: Axes, epochs: pd.DataFrame, column: str, label: str, **style: str | float
) -> None:
    for number, (_, run) in enumerate(epochs.dropna(subset=[column]).groupby("run_id")):
        name = label if number == 0 else "_"
        # A single epoch is no line.
        marker = "." if len(run) == 1 else ""
        axes.plot(run["epoch"].astype(int), run[column], label=name, marker=marker, **style)  # type: ignore[arg-type]


def rungs(task: str, trials: pd.DataFrame) -> str:
    """Draw how far each trial went, and how it ended.

    Args:
        task: for the title.
        trials: columns epochs_done, epochs_planned and status, in the order they were begun.
    """
    with drawing(f"How far the trials of {task} went") as (axes, svg):
        place = np.arange(len(trials))
        for status, colour in STATUS_COLOURS.items():
            own = (trials["status"] == status).to_numpy()
            if own.any():
                label = f"{status} ({own.sum()})"
                done = trials["epochs_done"].to_numpy(dtype=int)[own]
                axes.barh(place[own], done, color=colour, label=label, height=0.7)
        stops = trials.loc[trials["status"] == "stopped", "epochs_done"]
        for epoch in sorted(stops.unique()):
            axes.axvline(epoch, color=INK, lw=0.8, ls=":")
        axes.set(xlabel="epochs trained", ylabel="trial", ylim=(len(trials) - 0.5, -0.5))
        axes.set_xlim(0, int(trials["epochs_planned"].max()))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        axes.figure.legend(loc="outside upper center", ncols=4)
        return svg()


def parallel_coordinates(task: str, trials: pd.DataFrame) -> str:
    """Draw each trial as a line through its hyperparameters, each on a scale of its own.

    Args:
        task: for the title.
        trials: columns that hold hyperparameters, last_val_top1 and status. Those that ran to the
            end are coloured, by accuracy.
    """
    with drawing(f"Configurations of the trials of {task}") as (axes, svg):
        searched = searched_names(trials)
        tried = with_values(trials, searched).dropna(subset=[*searched, "last_val_top1"])
        scaled = pd.DataFrame({name: _scaled(tried[name]) for name in searched})
        scaled["val top-1"] = _linear(tried["last_val_top1"])
        complete = (tried["status"] == "completed").to_numpy()
        best = scaled["val top-1"].to_numpy()
        for number in np.argsort(best):
            shade = _shade(best[number]) if complete[number] else INK
            width, alpha = (1.4, 0.9) if complete[number] else (0.6, 0.3)
            axes.plot(scaled.iloc[number].to_numpy(), color=shade, lw=width, alpha=alpha)
        names = [*searched, "last_val_top1"]
        labels = [name.replace("_", "\n", 1) for name in (*searched, "val_top-1")]
        axes.set_xticks(range(len(names)), labels)
        for x, name in enumerate(names):
            axes.axvline(x, color=INK, lw=0.8)
            for y, value in ((-0.03, tried[name].min()), (1.03, tried[name].max())):
                edge = "top" if y < 0 else "bottom"
                text = value if isinstance(value, str) else f"{value:.3g}"
                axes.text(x, y, text, ha="center", va=edge, fontsize=7)
        axes.set(ylim=(-0.12, 1.12), yticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        return svg()


def _scaled(values: pd.Series) -> pd.Series:
    """Place values from 0 to 1: by their logarithm where they have one, and texts in order."""
    if not is_numeric_dtype(values):
        return _linear(values.astype("category").cat.codes)
    numbers = values.astype(float)
    logarithms = pd.Series(np.log(numbers), index=values.index)
    return _linear(logarithms if (numbers > 0).all() else numbers)


def _linear(values: pd.Series) -> pd.Series:
    """Scale to 0 and 1; equal values stand in the middle."""
    low, high = values.min(), values.max()
    if low == high:
        return pd.Series(0.5, index=values.index)
    return pd.Series((values - low) / (high - low))


def _shade(share: float) -> tuple[float, float, float]:
    """Give a colour between blue and orange."""
    low, high = (
        np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for colour in (BLUE, ORANGE)
    )
    red, green, blue = (low + (high - low) * share).tolist()
    return red, green, blue


def importance_bars(task: str, shares: pd.Series) -> str:
    """Draw the hyperparameters' importances, as ``importances`` gives them."""
    with drawing(f"Importance of the hyperparameters of {task}", height=1.8) as (axes, svg):
        ordered = shares.sort_values()
        axes.barh(ordered.index.tolist(), 100 * ordered.to_numpy(), color=BLUE, height=0.6)
        axes.set_xlabel("share of the variation in validation top-1, %")
        axes.grid(visible=False, axis="y")
        return svg()


def confusion(task: str, matrix: NDArray[np.int64], names: Sequence[str]) -> str:
    """Draw a confusion matrix, each row in percent of its images."""
    with drawing(f"Confusion matrix of {task}", height=3.8) as (axes, svg):
        shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        shown = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100, interpolation="nearest")
        axes.figure.colorbar(shown, label="% of the class", shrink=0.8)
        if len(names) <= NAMED_CLASSES:
            axes.set_xticks(
                range(len(names)), [_shortened(printable(name)) for name in names], rotation=90
            )
            axes.set_yticks(range(len(names)), [_shortened(printable(name)) for name in names])
        axes.set(xlabel="predicted", ylabel="class")
        axes.grid(visible=False)
        return svg()


def _shortened(name: str, length: int = 14) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def accuracy_by_parameters(title: str, points: pd.DataFrame, lines: pd.DataFrame) -> str:
    """Draw mean test top-1 against learned parameters.

    Args:
        title: of the chart.
        points: columns method, learned (how many, 0 included), top1_percent and own (whether it is
            this search's).
        lines: columns method and top1_percent of methods whose learned parameters are not at hand.
    """
    with drawing(title) as (axes, svg):
        if points["learned"].max() > 10 * points["learned"].min():
            axes.set_xscale("symlog", linthresh=1e4)  # the linear probe learns none
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        for own, marker, colour in ((False, "o", BLUE), (True, "*", ORANGE)):
            of_kind = points[points["own"] == own]
            size = 90 if own else 25
            axes.scatter(
                of_kind["learned"], of_kind["top1_percent"], s=size, marker=marker, color=colour
            )
        for height in lines["top1_percent"]:
            axes.axhline(height, color=INK, lw=0.6, ls="--", alpha=0.5)
        axes.margins(x=0.12, y=0.1)
        axes.xaxis.set_major_formatter(lambda value, _: _in_short(value))
        axes.set(xlabel="learned parameters, without the head", ylabel=f"mean test {TOP1}")
        named = pd.concat([points, lines.assign(learned=np.inf)], ignore_index=True)
        _name_beside(axes, named.astype({"learned": float}))
        return svg()


def critical_differences(title: str, ranks: MeanRanks) -> str:
    """Draw mean ranks, and a bar over each group that is not told apart (Demšar 2006, figure 1).

    Args:
        title: of the chart.
        ranks: of at least two methods.
    """
    names, cliques = list(ranks.ranks.index), ranks.cliques()
    height = 0.8 + 0.2 * len(names) + 0.1 * len(cliques)
    with drawing(title, height=height) as (axes, svg):
        for place, (name, rank) in enumerate(ranks.ranks.items()):
            axes.plot(rank, place, "o", color=BLUE, ms=4)
            axes.annotate(
                printable(str(name)), (rank, place), (6, 0), textcoords="offset points",
                va="center", fontsize=7,
            )  # fmt: skip
        for number, clique in enumerate(cliques):
            ends = [ranks.ranks[clique[0]], ranks.ranks[clique[-1]]]
            axes.plot(ends, [len(names) + 0.6 * number] * 2, color=ORANGE, lw=2.5)
        axes.set(
            xlabel="mean rank, 1 is the best", xlim=(0.8, len(names) + 1), yticks=[],
            ylim=(len(names) + 0.6 * len(cliques), -0.8),
        )  # fmt: skip
        axes.grid(visible=False, axis="y")
        return svg()


def _in_short(number: float) -> str:
    """Write 10,000 as 10k and 1,000,000 as 1M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _name_beside(axes: Axes, named: pd.DataFrame) -> None:
    """Write the methods' names beside the chart, each at its height, apart from each other.

    A name leads to its point by a line; one without a place on the axis of parameters (``inf``)
    stands at its dashed line.
    """
    low, high = axes.get_ylim()
    ordered = named.sort_values("top1_percent", ignore_index=True)
    heights = (ordered["top1_percent"].to_numpy(dtype=float) - low) / (high - low)
    for row, height in zip(ordered.to_dict("records"), apart(heights), strict=True):
        has_point = np.isfinite(row["learned"])
        at = (row["learned"] if has_point else axes.get_xlim()[1], row["top1_percent"])
        arrow = {"arrowstyle": "-", "color": INK, "lw": 0.5, "alpha": 0.6} if has_point else None
        axes.annotate(
            printable(row["method"]), at, (1.02, height), textcoords="axes fraction", va="center",
            fontsize=7, arrowprops=arrow,
        )  # fmt: skip


def apart(heights: NDArray[np.float64], gap: float = 0.055) -> NDArray[np.float64]:
    """Move heights, in ascending order, as little upwards as keeps them a gap apart.

    What would go beyond 1 is moved down again.
    """
    moved = heights.copy()
    for place in range(1, len(moved)):
        moved[place] = max(moved[place], moved[place - 1] + gap)
    if len(moved):
        moved[-1] = min(moved[-1], max(1.0, heights[-1]))
    for place in range(len(moved) - 2, -1, -1):
        moved[place] = min(moved[place], moved[place + 1] - gap)
    return moved
