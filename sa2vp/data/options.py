"""Where a search's images come from and how they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class DataOptions:
    """What the command line says about data; plain values, so that trials get them as they are.

    Attributes:
        data_dir: folder of the datasets, or a custom dataset's folder or table; None for a suite
            that needs no files.
        cache_dir: where decoded images are kept; None is the user's cache folder.
        cached: decode once and keep; else stream through a DataLoader.
        loaders: worker processes of that DataLoader.
    """

    data_dir: str | None = None
    cache_dir: str | None = None
    cached: bool = True
    loaders: int = 1

    @property
    def data_path(self) -> Path:
        """Give the datasets' folder, as a path; that of a suite without files is not looked at."""
        return Path(self.data_dir or ".")

    @property
    def cache_path(self) -> Path | None:
        """Give the cache's folder, as a path."""
        return None if self.cache_dir is None else Path(self.cache_dir)
