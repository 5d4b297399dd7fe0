"""Decode images into a new cache."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sa2vp.data.errors import UnreadableImageError
from sa2vp.data.images.decode import Resizing, decode, decode_and_digest, stored_size
from sa2vp.data.images.every_image import in_threads
from sa2vp.data.images.source import ImageSource
from sa2vp.files import replacing, sync_folder, write_file

FORMAT_VERSION = 2

PIXELS = "pixels.u8"
"""uint8 ``(h, w, 3)`` of all images, one after the other."""

INDEX = "index.npy"
"""Where each image lies: offset in bytes, height, width; int64 ``(N, 3)``."""

DIGESTS = "digests.npy"
"""SHA-256 of each image's content, uint8 ``(N, 32)``."""

ABOUT = "about.json"
"""Where the images come from and how many they are, for whoever finds the folder."""


def build(
    folder: Path,
    index: NDArray[np.int64],
    source: ImageSource,
    names: Sequence[str],
    resizing: Resizing,
    progress: Callable[[], None] | None = None,
) -> None:
    """Make a cache; the caller holds its lock.

    Args:
        folder: of the cache. It appears when it is complete.
        index: from :func:`lay_out`.
        source: of the images.
        names: in the cache's order.
        resizing: before they are kept.
        progress: called after each image, by this thread.

    Raises:
        UnreadableImagesError: some images cannot be decoded; all of them.
        OSError: the disk is full or cannot be written.
    """
    partial = folder.with_suffix(".partial")
    if partial.exists():
        shutil.rmtree(partial)  # of a process that was killed
    partial.mkdir()
    try:
        digests = _write_pixels(
            partial / PIXELS,
            index,
            names,
            lambda name: decode_and_digest(source, name, resizing),
            progress,
        )
        with replacing(partial / INDEX) as temporary:
            np.save(temporary, index)
        with replacing(partial / DIGESTS) as temporary:
            np.save(temporary, np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32))
        about = {"folder": source.location, "images": len(names)}
        write_file(partial / ABOUT, json.dumps(about).encode())
        partial.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def lay_out(source: ImageSource, names: Sequence[str], resizing: Resizing) -> NDArray[np.int64]:
    """Plan where each image will lie: offset in bytes, height, width; ``(N, 3)``.

    Raises:
        UnreadableImagesError: some headers cannot be read; all of them.
    """
    sizes = np.array(in_threads(lambda name: stored_size(source, name, resizing), names), np.int64)
    ends = 3 * sizes.prod(1).cumsum()
    return np.column_stack([np.append(0, ends[:-1]), sizes])


def find_unreadable(source: ImageSource, names: Sequence[str], resizing: Resizing) -> None:
    """Decode all images to find the damaged ones.

    Raises:
        UnreadableImagesError: some images cannot be decoded; all of them.
    """

    def attempt(name: str) -> None:
        decode(source, name, resizing)

    in_threads(attempt, names)


def size_of(index: NDArray[np.int64]) -> int:
    """Give the bytes of all pixels."""
    offset, height, width = index[-1].tolist()
    return int(offset + 3 * height * width)


def _write_pixels(
    path: Path,
    index: NDArray[np.int64],
    names: Sequence[str],
    read: Callable[[str], tuple[NDArray[np.uint8], bytes]],
    progress: Callable[[], None] | None,
) -> list[bytes]:
    """Decode all images into a file; give their digests."""

    def store(name: str, place: list[int]) -> bytes:
        pixels, digest = read(name)
        if list(pixels.shape[:2]) != place[1:]:
            raise UnreadableImageError(name, "has changed since its header was read")
        if os.pwrite(file.fileno(), pixels.data, place[0]) != pixels.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return digest

    with path.open("wb") as file:
        _reserve(file.fileno(), size_of(index))
        digests = in_threads(store, names, index.tolist(), progress=progress)
        # Else a crash of the machine could leave a complete cache of black images.
        os.fsync(file.fileno())
    return digests


def _reserve(descriptor: int, size: int) -> None:
    """Take a file's space now: a disk that is too full is found before anything is decoded."""
    if hasattr(os, "posix_fallocate"):  # not on macOS, where writing finds it
        os.posix_fallocate(descriptor, 0, size)
