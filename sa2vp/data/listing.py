"""Which images a task has and what they show, before any of them is decoded."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sa2vp.data.files import MAX_MIB, state_of
from sa2vp.data.formats import open_image
from sa2vp.errors import Refused
from sa2vp.files import open_regular, read_regular
from sa2vp.text import printable

SPLITS = ("train", "val", "test")

OUTSIDE = "outside of the folder"
"""How the reason begins why an image is not read to which a link or ``..`` leads."""


class DataError(Refused):
    """Data that cannot be used; one line that names the file or folder and the fix."""

    def __str__(self) -> str:
        """Give the line; names in it may hold anything."""
        return printable(super().__str__())


@dataclass(frozen=True, slots=True)
class SplitList:
    """The images of one split.

    Attributes:
        names: of the images, as the listing's source knows them; ``(N,)``.
        labels: int64 ``(N,)``, 0 to ``num_classes - 1``.
    """

    names: Sequence[str]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse labels of another type or number: wrong ones train silently."""
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.names),):
            raise ValueError(
                f"labels must be int64 ({len(self.names)},), "
                f"got {self.labels.dtype} {self.labels.shape}"
            )

    def __len__(self) -> int:
        """Count the images."""
        return len(self.names)


class ImageSource(ABC):
    """Where images are read from, by name.

    Attributes:
        location: the folder, where there is one. Names and stamps alone may be those of another.
    """

    location = ""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[Image.Image]:
        """Open an image; files are decoded only when their pixels are asked for.

        Raises:
            Exception: it cannot be read, leaves the dataset's folder, or is no image.
        """

    @abstractmethod
    def read(self, name: str) -> tuple[bytes, Image.Image]:
        """Read an image's file, once, and open the image.

        Returns:
            What its part of the data's fingerprint is made of, and the image.

        Raises:
            Exception: as :meth:`open`.
        """

    @abstractmethod
    def stamp(self, name: str) -> str:
        """Give what changes whenever the content does, without reading it.

        Raises:
            OSError: there is no such image, or it leaves the dataset's folder.
        """


class FolderSource(ImageSource):
    """Image files, by their path relative to a folder.

    Args:
        folder: of the dataset. Nothing outside of it is read: neither by ``..`` nor by a link.
    """

    def __init__(self, folder: Path) -> None:
        self.location = os.path.realpath(folder)
        self._resolved: dict[str, str] = {}

    def path(self, name: str) -> str:
        """Locate an image.

        Raises:
            OSError: it leaves the folder.
        """
        below, _, last = name.rpartition("/")
        parent = self._resolved.get(below)
        if parent is None:  # the folders of a dataset are few, and each takes a while to follow
            parent = self._resolved[below] = os.path.realpath(f"{self.location}/{below}")
        path = f"{parent}/{last}"
        if last in ("", ".", "..") or Path(path).is_symlink():
            path = os.path.realpath(path)
        if not path.startswith(f"{self.location}/"):
            raise OSError(
                f"{name}: {OUTSIDE} {self.location}; "
                "copy the images there, or give the folder that holds both"
            )
        return path

    @contextmanager
    def open(self, name: str) -> Iterator[Image.Image]:
        """Open an image file."""
        with open_regular(self.path(name), MAX_MIB) as file, open_image(file) as image:
            yield image

    def read(self, name: str) -> tuple[bytes, Image.Image]:
        """Read a file and open the image from what was read."""
        content = read_regular(self.path(name), MAX_MIB)
        return content, open_image(BytesIO(content))

    def stamp(self, name: str) -> str:
        """Give the state of a file."""
        return state_of(self.path(name))


class ArraySource(ImageSource):
    """Images that lie together in arrays; the name is ``array#index``.

    Args:
        arrays: uint8 ``(N, H, W, 3)`` each, by name.
        stamp: of the files that they were read from.
        location: of these files.
    """

    def __init__(
        self, arrays: Mapping[str, NDArray[np.uint8]], stamp: str, location: str = ""
    ) -> None:
        self._arrays = arrays
        self._stamp = stamp
        self.location = location

    def _image(self, name: str) -> NDArray[np.uint8]:
        array, _, index = name.rpartition("#")
        image: NDArray[np.uint8] = self._arrays[array][int(index)]
        return image

    def open(self, name: str) -> Image.Image:
        """View an array as an image."""
        return Image.fromarray(self._image(name))

    def read(self, name: str) -> tuple[bytes, Image.Image]:
        """Give the pixels, and view them as an image."""
        return self._image(name).tobytes(), self.open(name)

    def stamp(self, name: str) -> str:  # noqa: ARG002 - all arrays are of the same files
        """Give the stamp of the files."""
        return self._stamp


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader found on disk.

    Attributes:
        folder: of the dataset.
        source: of the images.
        splits: train, val and test.
        classes: the dataset's own name or number of each label, in order.
    """

    folder: Path
    source: ImageSource
    splits: Mapping[str, SplitList]
    classes: Sequence[str]

    def names(self, splits: Sequence[str]) -> list[str]:
        """List the images of several splits, one split after the other."""
        return [name for split in splits for name in self.splits[split].names]
