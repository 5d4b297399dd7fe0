"""Draws where an image's prompts and fusions look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sa2vp.cli.terminal import console
from sa2vp.cli.use import ExplainOptions
from sa2vp.cli.work.left_out import left_out
from sa2vp.data.errors import UnreadableImageError
from sa2vp.models.streams import TwoStreams
from sa2vp.use.errors import UseError
from sa2vp.use.explanation import explain as draw
from sa2vp.use.files import missing
from sa2vp.use.loading import load_export, load_model
from sa2vp.use.model import evaluation_input
from sa2vp.use.overlays import save_figure


def explain(options: ExplainOptions) -> int:
    """Draw each image; give the exit code.

    Raises:
        UseError: an image is missing, or there is no such model.
    """
    targets = overlay_files(options.images, options.out)
    exported = load_export(options)
    trained = load_model(options, exported)
    if not isinstance(trained, TwoStreams):
        method = exported.card.method
        raise UseError(f"{exported.source}: of method {method}; only SA2VP has fusions to draw")
    prepare = evaluation_input(exported.card)
    unreadable = {}
    for image, target in targets.items():
        try:
            prepared = prepare(image)
        except UnreadableImageError as error:
            unreadable[str(image)] = error.reason
            continue
        save_figure(draw(trained, exported.card, image.name, prepared), target)
        console.print(f"Written: {target}", soft_wrap=True)
    return left_out(unreadable, "no overlay")


def overlay_files(images: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Make the folder and give each image's file in it.

    Raises:
        UseError: an image is missing, two would have the same file, or there is no such folder.
    """
    targets: dict[Path, Path] = {}
    for image in images:
        if not image.is_file():
            raise UseError(f"{image}: {missing(image)}")
        target = folder / f"{image.stem}.overlay.png"
        if target in targets.values():
            raise UseError(
                f"{image}: two images would be written to {target.name}; "
                "give them one after the other, with another --out"
            )
        targets[image] = target
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UseError(f"--out: {folder} is no folder and cannot be made: {error}") from error
    return targets
