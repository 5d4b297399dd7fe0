"""A figure of what a model adds to its backbone for one image: prompts and fusions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from sa2vp.use.files import whole_file

Map = NDArray[np.float32]

COLOUR_MAP = mpl.colormaps["viridis"]
"""Perceptually uniform, also for readers who do not tell red from green."""

COLUMNS = 4
PANEL_INCHES = 2.7
DOTS_PER_INCH = 110
ARROW_WIDTH = 0.07  # of a patch
OPACITY = 0.7  # of a map over the image

EXPLANATION = """\
Prompt norm: L2 norm of each token of the learned
prompt map after its projection. It is the same for
every image.

Fusions: the patches of one stream attend to the
3x3 patches around their own place in the other.
Colour: 1 - entropy / entropy of even attention.
Where it is 0, all neighbours weigh the same;
where it is 1, one of them has all the weight.
Arrows: from a patch to the mean place that it
attends to, less that of even attention. One patch
on the map is one patch of displacement."""


@dataclass(frozen=True, slots=True)
class FusionMaps:
    """What one fusion's panel shows.

    Attributes:
        title: which fusion, and which stream adapts.
        focus: ``(G, G)``, 0 to 1.
        displacement: ``(G, G, 2)``, right and down, in patches.
    """

    title: str
    focus: Map
    displacement: Map


def overlay_figure(
    title: str, image: Map, prompt_norms: Map, fusions: Sequence[FusionMaps]
) -> Figure:
    """Draw the image, the prompt norms over it, and a panel per fusion.

    Args:
        title: of the figure.
        image: what the model sees, ``(height, width, 3)``, 0 to 1.
        prompt_norms: ``(G, G)``; its G may be another one than the fusions'.
        fusions: in the order of their blocks.
    """
    rows = 1 + math.ceil(len(fusions) / COLUMNS)
    size = (COLUMNS * PANEL_INCHES + 1, rows * (PANEL_INCHES + 0.4) + 0.3)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, parse_math=False)  # file names may hold dollar signs
    panels = figure.add_gridspec(rows, COLUMNS)
    _draw_inputs(figure, panels, image, prompt_norms)
    _draw_fusions(figure, panels, image, fusions)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all.

    Raises:
        UseError: it cannot be written.
    """
    with whole_file(path) as partial:
        figure.savefig(partial, format="png")


def _draw_inputs(figure: Figure, panels: GridSpec, image: Map, prompt_norms: Map) -> None:
    """Fill the first row: the image, the prompt norms and how to read the figure."""
    shown, norms, text = (figure.add_subplot(panels[0, place]) for place in (0, 1, slice(2, None)))
    shown.imshow(image)
    shown.set_title("image, as the model sees it", fontsize="medium")
    scale = Normalize(float(prompt_norms.min()), float(prompt_norms.max()))
    _draw_map(norms, image, prompt_norms, scale)
    norms.set_title("prompt norm", fontsize="medium")
    bar = text.inset_axes((0.0, 0.0, 0.03, 1.0))
    figure.colorbar(ScalarMappable(scale, _blended()), cax=bar, label="L2 norm of the prompt token")
    text.text(0.25, 1, EXPLANATION, va="top", fontsize="small", transform=text.transAxes)
    for axes in (shown, norms, text):
        axes.set_axis_off()


def _draw_fusions(
    figure: Figure, panels: GridSpec, image: Map, fusions: Sequence[FusionMaps]
) -> None:
    """Fill the other rows, on one scale."""
    scale = Normalize(0, max(float(fusion.focus.max()) for fusion in fusions))
    drawn = []
    for index, fusion in enumerate(fusions):
        axes = figure.add_subplot(panels[1 + index // COLUMNS, index % COLUMNS])
        _draw_map(axes, image, fusion.focus, scale)
        _draw_arrows(axes, image, fusion.displacement)
        axes.set_title(fusion.title, fontsize="medium")
        axes.set_axis_off()
        drawn.append(axes)
    figure.colorbar(
        ScalarMappable(scale, _blended()),
        ax=drawn,
        label="focus of the attention: 0 even, 1 on one neighbour",
        aspect=40,
    )


def _draw_map(axes: Axes, image: Map, values: Map, scale: Normalize) -> None:
    """Lay a map of patches over the image."""
    height, width, _ = image.shape
    extent = (0.0, float(width), float(height), 0.0)
    # Few greys around the middle: the image is to be recognised, not to change the colours.
    axes.imshow(image.mean(2), cmap="gray", vmin=-0.5, vmax=1.5, extent=extent)
    axes.imshow(
        values, cmap=COLOUR_MAP, norm=scale, alpha=OPACITY, extent=extent, interpolation="nearest"
    )


def _blended() -> ListedColormap:
    """Give the colours as they look over the middle grey, for the colour bars."""
    colours = COLOUR_MAP(np.linspace(0, 1, 256))[:, :3]
    return ListedColormap(list(OPACITY * colours + (1 - OPACITY) * 0.5))


def _draw_arrows(axes: Axes, image: Map, displacement: Map) -> None:
    """Draw displacements to scale, from the patches' centres."""
    height, width, _ = image.shape
    grid = len(displacement)
    patch = np.array([width, height]) / grid
    x, y = np.meshgrid(*((np.arange(grid) + 0.5) * side for side in patch))
    right, down = np.moveaxis(displacement * patch, 2, 0)
    axes.quiver(
        x,
        y,
        right,
        down,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=ARROW_WIDTH / grid,
        color="white",
        edgecolor="black",
        linewidth=0.4,
    )
