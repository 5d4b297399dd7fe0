"""Where decoded images are kept, and what was found of images."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path

from sa2vp.data.listing import DataError


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
