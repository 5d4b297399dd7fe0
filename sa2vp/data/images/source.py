"""Where images are read from, by name, and how a change of one is noticed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sa2vp.data.images.pillow import open_image
from sa2vp.files import open_regular, read_regular

MAX_MIB = 256
"""Of an image, a list, or a file that holds all images of a split."""

OUTSIDE = "outside of the folder"
"""How the reason begins why an image is not read to which a link or ``..`` leads."""


class ImageSource(ABC):
    """Where images are read from, by name.

    Attributes:
        location: folder or file that the images are read from; empty where there is none. It tells
            sources apart whose names and stamps are the same.
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


def state_of(path: str | Path) -> str:
    """Give what is another whenever a file's content is, without reading it.

    Size and time of change alone stay when a file is replaced and its time set back, as
    ``rsync -t`` does. Nobody can set the time at which the file's own record last changed
    (``ctime``); the inode tells files apart whose folders were exchanged.

    Raises:
        OSError: it is not there.
    """
    status = Path(path).stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


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
