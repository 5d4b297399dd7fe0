"""Work through all images of a dataset and report every unreadable one, not the first alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import ParamSpec, TypeVar

from sa2vp.data.errors import UnreadableImageError, UnreadableImagesError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Item = TypeVar("Item")

PART = 16
"""Images that a thread is given at once."""


def in_threads(
    function: Callable[..., Result],
    *arguments: Iterable[object],
    progress: Callable[[], None] | None = None,
) -> list[Result]:
    """Call a function for every image, on all cores: Pillow decodes without Python's lock.

    Args:
        function: raises UnreadableImageError for an image that it cannot read.
        arguments: its first, its second, ..., of each image.
        progress: called after each image, by the caller's thread.

    Raises:
        UnreadableImagesError: some could not be read; all of them.
    """
    attempt = attempting(function)

    def attempt_all(some: Sequence[tuple[object, ...]]) -> list[Result | UnreadableImageError]:
        return [attempt(*of_one) for of_one in some]

    executor = ThreadPoolExecutor(os.cpu_count())
    try:
        results = executor.map(attempt_all, _in_parts(list(zip(*arguments, strict=True))))
        return collect(chain.from_iterable(results), progress)
    finally:
        # After an error or Ctrl-C what has not begun is left out.
        executor.shutdown(cancel_futures=True)


def _in_parts(images: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Divide what there is to do: to hand over each image alone is a tenth of the work on it."""
    return (images[start : start + PART] for start in range(0, len(images), PART))


def attempting(
    function: Callable[Arguments, Result],
) -> Callable[Arguments, Result | UnreadableImageError]:
    """Make a function return, not raise, that an image is unreadable."""

    def attempt(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result | UnreadableImageError:
        try:
            return function(*args, **kwargs)
        except UnreadableImageError as error:
            return error

    return attempt


def collect(
    results: Iterable[Result | UnreadableImageError], progress: Callable[[], None] | None = None
) -> list[Result]:
    """Wait for the results of every image.

    Raises:
        UnreadableImagesError: some could not be read; all of them.
    """
    readable: list[Result] = []
    unreadable: dict[str, str] = {}
    for result in results:
        if isinstance(result, UnreadableImageError):
            unreadable[result.name] = result.reason
        else:
            readable.append(result)
        if progress is not None:
            progress()
    if unreadable:
        raise UnreadableImagesError(unreadable)
    return readable
