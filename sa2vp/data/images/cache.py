"""Images that were decoded once, in a file that all processes of a machine share.

A cache is a folder named by what it holds. It appears whole or not at all, and is never written to
afterwards; changed images have another name.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

from sa2vp.data.errors import DataError, UnreadableImagesError
from sa2vp.data.images import cache_writer
from sa2vp.data.images.cache_writer import DIGESTS, FORMAT_VERSION, INDEX, PIXELS
from sa2vp.data.images.decode import Resizing, blaming
from sa2vp.data.images.every_image import attempting, collect
from sa2vp.data.images.source import ImageSource
from sa2vp.text import one_line

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Cache:
    """N decoded images.

    Attributes:
        pixels: of all images, uint8, ``(bytes,)``; mapped into memory, read-only, so that every
            process sees the same copy.
        index: where each image lies: offset in bytes, height, width; int64 ``(N, 3)``.
        digests: SHA-256 of what each image was decoded from, uint8 ``(N, 32)``.
    """

    pixels: NDArray[np.uint8]
    index: NDArray[np.int64]
    digests: NDArray[np.uint8]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.index)

    def image(self, row: int) -> NDArray[np.uint8]:
        """View an image, ``(h, w, 3)``."""
        offset, height, width = self.index[row].tolist()
        return self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)


@dataclass(frozen=True, slots=True)
class CachePlan:
    """What a cache will take.

    Attributes:
        source: of the images.
        names: in the cache's order.
        resizing: before they are kept.
        folder: of the cache.
        index: where each image will lie, as in :class:`Cache`; None where the cache is there.
    """

    source: ImageSource
    names: Sequence[str]
    resizing: Resizing
    folder: Path
    index: NDArray[np.int64] | None

    @property
    def missing_bytes(self) -> int:
        """Tell how much is still to be written."""
        return 0 if self.index is None else cache_writer.size_of(self.index)


def plan_cache(
    source: ImageSource, names: Sequence[str], resizing: Resizing, cache_dir: Path | None = None
) -> CachePlan:
    """Look whether the cache of some images is there; else plan it, from their headers.

    Args:
        source: of the images.
        names: in the cache's order.
        resizing: before they are kept.
        cache_dir: of all caches; by default the user's cache folder.

    Raises:
        UnreadableImagesError: some images cannot be decoded; all of them.
    """
    try:
        folder = cache_folder(source, names, resizing, cache_dir)
        # An existing cache may lie where nothing can be written, not even a lock.
        index = None if folder.exists() else cache_writer.lay_out(source, names, resizing)
    except UnreadableImagesError:
        # Files without a header; others may have one and yet be damaged.
        cache_writer.find_unreadable(source, names, resizing)
        raise
    return CachePlan(source, names, resizing, folder, index)


def make_cache(plan: CachePlan, progress: Callable[[], None] | None = None) -> Cache:
    """Open a cache; the first process to ask for it decodes the images.

    Others wait for that process. If it ends too early, even killed, the next one starts again.

    Args:
        plan: of the cache.
        progress: called after each image that is decoded, by this thread.

    Raises:
        UnreadableImagesError: some images cannot be decoded; all of them.
        DataError: the cache cannot be written or is damaged.
    """
    folder = plan.folder
    if plan.index is not None:
        with _explaining_errors(folder.parent, plan.missing_bytes):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_suffix(".lock")):
                if not folder.exists():
                    cache_writer.build(
                        folder, plan.index, plan.source, plan.names, plan.resizing, progress
                    )
    return _read(folder)


def open_cache(
    source: ImageSource,
    names: Sequence[str],
    resizing: Resizing,
    cache_dir: Path | None = None,
    progress: Callable[[], None] | None = None,
) -> Cache:
    """Open the cache of some images; made now where it is missing, as by :func:`make_cache`."""
    return make_cache(plan_cache(source, names, resizing, cache_dir), progress)


def cache_folder(
    source: ImageSource, names: Sequence[str], resizing: Resizing, cache_dir: Path | None = None
) -> Path:
    """Give the folder that the cache of some images has, or would have.

    It is named by a SHA-256 of what the pixels depend on; files are known by their stamps, and not
    read.

    Raises:
        UnreadableImagesError: some images are not there; all of them.
        DataError: the user has no cache folder, and gives none.
    """

    def stamp(name: str) -> str:
        with blaming(name):
            return source.stamp(name)

    stamps = collect(map(attempting(stamp), names))
    facts = [FORMAT_VERSION, *astuple(resizing), source.location, list(names), stamps]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return cache_root(cache_dir) / key


def cache_root(given: Path | None) -> Path:
    """Give the folder of all caches.

    Args:
        given: by the user; None is the user's cache folder.

    Raises:
        DataError: the user has no such folder.
    """
    if given is not None:
        return given
    try:
        folder = user_cache_path("sa2vp")
        if not folder.is_absolute():  # as some versions of platformdirs leave it
            raise RuntimeError(f"found {folder}")
    except RuntimeError as error:
        raise DataError(
            "you have no home folder to keep decoded images in; give one with --cache-dir"
        ) from error
    return folder


@contextmanager
def _explaining_errors(cache_dir: Path, needed: int) -> Iterator[None]:
    """Say what to do about a disk that has not the bytes needed, or cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            existing = next(path for path in (cache_dir, *cache_dir.parents) if path.exists())
            free = shutil.disk_usage(existing).free
            reason = f"need {needed / 2**30:.2f} GiB, {free / 2**30:.2f} GiB are free"
        else:
            reason = f"cannot be kept here ({error.strerror or error})"
        raise DataError(
            f"{cache_dir}: decoded images {reason}; choose another folder with --cache-dir, or "
            "decode anew in every epoch with --no-cache"
        ) from error


def _read(folder: Path) -> Cache:
    try:
        pixels = np.asarray(np.memmap(folder / PIXELS, np.uint8, "r"))
        index = np.load(folder / INDEX, allow_pickle=False)
        digests = np.load(folder / DIGESTS, allow_pickle=False)
        if index.dtype != np.int64 or cache_writer.size_of(index) != len(pixels):
            raise ValueError(f"{PIXELS} and {INDEX} differ")
        if digests.dtype != np.uint8 or digests.shape != (len(index), 32):
            raise ValueError(f"{DIGESTS} and {INDEX} differ")
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{folder}: damaged ({one_line(error)}); delete it, it is made again"
        ) from error
    return Cache(pixels, index, digests)
