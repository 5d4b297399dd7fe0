"""Classifies the images of a folder."""

from __future__ import annotations

from rich.progress import MofNCompleteColumn, Progress

from sa2vp.cli.terminal import console, remarks
from sa2vp.cli.use import PredictOptions
from sa2vp.cli.work.left_out import left_out
from sa2vp.use.card import Card
from sa2vp.use.errors import UseError
from sa2vp.use.images import find_images
from sa2vp.use.loading import load_export, load_model
from sa2vp.use.model import evaluation_input
from sa2vp.use.prediction import predict as predict_batches
from sa2vp.use.prediction import read_batches, table, write_predictions


def predict(options: PredictOptions) -> int:
    """Write the predictions; give the exit code.

    Raises:
        UseError: there are no images, or no such model; or the file cannot be written.
    """
    folder = find_images(options.images)
    exported = load_export(options)
    top_k = checked_top_k(options.top_k, exported.card)
    trained = load_model(options, exported)
    prepare = evaluation_input(exported.card)
    method = exported.card.configuration.method
    batches = read_batches(folder.root, folder.paths, prepare, options.batch_size)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    hidden = not remarks.is_terminal
    with Progress(*columns, console=remarks, transient=True, disable=hidden) as bar:
        shown = bar.add_task("images", total=len(folder.paths))
        predictions = predict_batches(
            trained, method, batches, top_k, lambda count: bar.advance(shown, count)
        )
    write_predictions(table(predictions, exported.card.class_names), options.out)
    console.print(
        f"Written: {options.out}, {len(predictions.paths)} images, {top_k} classes each",
        soft_wrap=True,
    )
    return left_out(folder.skipped | predictions.unreadable, "no prediction")


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
