"""The command line: ``sa2vp export``, ``card``, ``predict``, ``explain`` and ``pack``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from command_line import counting, refuse, remarks, run
from sa2vp.data.errors import UnreadableImageError
from sa2vp.printing import Console
from sa2vp.use.card import Card, read_card
from sa2vp.use.errors import UseError
from sa2vp.use.files import check_target, missing
from sa2vp.use.source import Source

console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, help="Use what a search found.")

ModelFile = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="What `sa2vp export` wrote.")
]
Results = Annotated[
    str | None,
    typer.Option(
        "--results",
        metavar="DIR",
        help="What run_search.py wrote, a path or URI. Default: results.",
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="NAME", help="Its best final run in the results, by validation."
    ),
]
RunId = Annotated[
    str | None, typer.Option("--run", metavar="RUN_ID", help="This final run in the results.")
]
BackboneCheckpoint = Annotated[
    Path | None,
    typer.Option(
        "--backbone-checkpoint", metavar="FILE", help="The weights that the search was given."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]


@app.command()
def export(
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .safetensors file to write.")],
    results: Results = None,
    task: TaskName = None,
    run_id: RunId = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a final run's learned arrays and its card to one file, without the backbone."""
    source = Source(results=results, task=task, run=run_id)
    check_target(out, [".safetensors"], overwrite=overwrite)
    exported = source.load_export()
    exported.save(out, overwrite=overwrite)
    console.print(card_table(exported.card))
    console.print(f"Written: {out}")


@app.command()
def pack(results: Results = None) -> None:
    """Put the runs that have ended into few files; a search may go on meanwhile."""
    from sa2vp.results.packing import pack as pack_results  # noqa: PLC0415 - used here alone

    folder = Path(os.path.expanduser(results or "results"))  # noqa: PTH111 - raises nothing
    if not (folder / "runs").is_dir():
        raise UseError(f"--results: {folder} is no local folder that run_search.py wrote")
    try:
        with counting("runs packed") as progress:
            packed = pack_results(folder, progress)
    except OSError as error:
        raise UseError(f"--results: {error}") from error
    console.print(f"{packed} runs packed in {folder}")


@app.command()
def card(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="What `sa2vp export` wrote.")],
) -> None:
    """Show where an exported model comes from and what it reached."""
    console.print(card_table(read_card(model)))


@app.command()
def predict(
    images: Annotated[
        Path, typer.Argument(metavar="IMAGES_DIR", help="Images, also those in folders below.")
    ],
    model: ModelFile = None,
    results: Results = None,
    task: TaskName = None,
    run_id: RunId = None,
    backbone_checkpoint: BackboneCheckpoint = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=1, help="Classes per image. Default: 5, or all if there are fewer."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="A .csv or .parquet file, replaced if it exists.")
    ] = Path("predictions.csv"),
    batch_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Images that pass through the model at once.")
    ] = 64,
) -> int:
    """Write the most probable classes of every image of a folder."""
    source = Source(
        model=model,
        results=results,
        task=task,
        run=run_id,
        backbone_checkpoint=backbone_checkpoint,
    )
    check_target(out, [".csv", ".parquet"], overwrite=True)
    # Torch and what needs it are slow to import: refusals come first.
    from sa2vp.use.images import find_images  # noqa: PLC0415

    folder = find_images(images)
    exported = source.load_export()
    top_k = checked_top_k(top_k, exported.card)
    trained = source.load_model(exported)
    from sa2vp.use.model import evaluation_input  # noqa: PLC0415 - as above
    from sa2vp.use.prediction import (  # noqa: PLC0415 - as above
        predict,
        read_batches,
        table,
        write_predictions,
    )

    batches = read_batches(folder.root, folder.paths, evaluation_input(exported.card), batch_size)
    with progress() as bar:
        shown = bar.add_task("images", total=len(folder.paths))
        method = exported.card.configuration.method
        predictions = predict(
            trained, method, batches, top_k, lambda count: bar.advance(shown, count)
        )
    write_predictions(table(predictions, exported.card.class_names), out)
    console.print(f"Written: {out}, {len(predictions.paths)} images, {top_k} classes each")
    return left_out(folder.skipped | predictions.unreadable, "no prediction")


@app.command()
def explain(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for a PNG per image.")],
    model: ModelFile = None,
    results: Results = None,
    task: TaskName = None,
    run_id: RunId = None,
    backbone_checkpoint: BackboneCheckpoint = None,
) -> int:
    """Draw the learned prompts' norm and where each fusion looks, a PNG per image."""
    source = Source(
        model=model,
        results=results,
        task=task,
        run=run_id,
        backbone_checkpoint=backbone_checkpoint,
    )
    targets = overlay_files(images, out)
    exported = source.load_export()
    trained = source.load_model(exported)
    # As above.
    from sa2vp.models.streams import TwoStreams  # noqa: PLC0415
    from sa2vp.use.explanation import explain as draw  # noqa: PLC0415
    from sa2vp.use.model import evaluation_input  # noqa: PLC0415
    from sa2vp.use.overlays import save_figure  # noqa: PLC0415

    if not isinstance(trained, TwoStreams):
        method = exported.card.method
        raise UseError(f"{exported.source}: of method {method}, which has no prompts to draw")
    prepare = evaluation_input(exported.card)
    unreadable = {}
    for image, target in targets.items():
        try:
            prepared = prepare(image)
        except UnreadableImageError as error:
            unreadable[str(image)] = error.reason
            continue
        save_figure(draw(trained, exported.card, image.name, prepared), target)
        console.print(f"Written: {target}")
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


def checked_top_k(asked: int | None, card: Card) -> int:
    """Give the number of classes per image.

    Raises:
        UseError: more are asked for than there are.
    """
    if asked is None:
        return min(5, card.num_classes)
    if asked > card.num_classes:
        raise UseError(f"--top-k: task {card.task} has {card.num_classes} classes, got {asked}")
    return asked


def progress() -> Progress:
    """Make a progress bar, shown where stderr is a terminal."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=remarks, transient=True, disable=not remarks.is_terminal)


def left_out(reasons: Mapping[str, str], what: str) -> int:
    """Name the images that were left out; give the exit code."""
    for path, reason in sorted(reasons.items()):
        remarks.print(f"{what}: {path}: {reason}")
    return 1 if reasons else 0


def card_table(card: Card) -> Table:
    """Lay a card out for the terminal."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in card.described().items():
        table.add_row(name, value)
    return table


def main() -> int:
    """Run ``sa2vp`` with the arguments of this process; give the exit code."""
    try:
        return run(app, "sa2vp", sys.argv[1:])
    except (UseError, OSError) as error:  # also of paths that no file system can follow
        return refuse("sa2vp", error)
