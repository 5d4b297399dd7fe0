"""One's own data as a .zip or .tar of class folders, of which each image is read in place."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

from PIL import Image

from sa2vp.data.errors import DataError
from sa2vp.data.images.pillow import open_image
from sa2vp.data.images.source import MAX_MIB, ImageSource, state_of
from sa2vp.data.readers.base import Listing, Reader
from sa2vp.data.readers.base.drawing import complete
from sa2vp.data.readers.base.layout import SPLIT_NAMES, is_image, lay_out
from sa2vp.data.readers.base.splits import check_name
from sa2vp.data.readers.base.tables import MAX_ROWS, list_table
from sa2vp.files import open_regular
from sa2vp.suites import Task
from sa2vp.text import one_line

Member = TypeVar("Member")

COMPRESSED = (".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Archives that are compressed as a whole: to reach an image, all before it are decompressed."""

PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How a .zip may hold an image; others may claim any memory."""

MAX_RATIO = 100
"""Of what the images of a .zip unpack to and its own size; of photographs it is about 1."""

RATIO_FROM_MIB = 1024
"""What images of a .zip may unpack to, whatever the ratio."""

ANY_MIB = 2**40
"""Of the archive itself, which is never read whole."""


class _Archive(ImageSource):
    """Images in an archive, by their path below the folder that holds them all."""

    def __init__(self, path: Path) -> None:
        self.location = os.path.realpath(path)

    @abstractmethod
    def _content(self, name: str) -> bytes:
        """Read an image's file.

        Raises:
            Exception: it cannot be read.
        """

    def read(self, name: str) -> tuple[bytes, Image.Image]:
        """Read an image's file and open the image from what was read."""
        content = self._content(name)
        return content, open_image(BytesIO(content))

    @contextmanager
    def open(self, name: str) -> Iterator[Image.Image]:
        """Open an image."""
        with self.read(name)[1] as image:
            yield image


class _Place(NamedTuple):
    start: int
    size: int


class TarSource(_Archive):
    """Images in a .tar.

    Args:
        path: of the archive.
        places: of the images' files in it.
    """

    def __init__(self, path: Path, places: Mapping[str, _Place]) -> None:
        super().__init__(path)
        self._places = places

    def _content(self, name: str) -> bytes:
        start, size = self._places[name]
        with open_regular(self.location, ANY_MIB) as file:
            file.seek(start)
            content = file.read(size)
        if len(content) < size:
            raise OSError("the archive ends before it does")
        return content

    def stamp(self, name: str) -> str:
        """Give the state of the archive and the place in it."""
        return " ".join(map(str, (state_of(self.location), *self._places[name])))


class ZipSource(_Archive):
    """Images in a .zip.

    Args:
        path: of the archive.
        members: that the images are.
    """

    def __init__(self, path: Path, members: Mapping[str, zipfile.ZipInfo]) -> None:
        super().__init__(path)
        self._members = members
        self._lock = Lock()
        self._opened: tuple[int, str, zipfile.ZipFile] | None = None

    def __reduce__(self) -> tuple[type, tuple[Path, Mapping[str, zipfile.ZipInfo]]]:
        """Leave the opened file behind."""
        return type(self), (Path(self.location), self._members)

    def _content(self, name: str) -> bytes:
        with self._archive().open(self._members[name]) as member:
            return member.read()

    def _archive(self) -> zipfile.ZipFile:
        """Open the archive, once a process: its list of members takes long to read."""
        now = (os.getpid(), state_of(self.location))
        with self._lock:
            if self._opened is None or self._opened[:2] != now:
                file = open_regular(self.location, ANY_MIB)
                self._opened = (*now, zipfile.ZipFile(file))
            return self._opened[2]

    def stamp(self, name: str) -> str:
        """Give the state of the archive and the place in it."""
        member = self._members[name]
        return f"{state_of(self.location)} {member.header_offset} {member.CRC}"


def _list_zip(path: Path) -> dict[str, zipfile.ZipInfo]:
    """List the images in a .zip.

    Raises:
        DataError: one is a link, encrypted or packed in another way; or they would unpack to far
            more than the archive.
    """
    with open_regular(path, ANY_MIB) as file, zipfile.ZipFile(file) as archive:
        images = [one for one in archive.infolist() if is_image(one.filename)]
    for one in images:
        kind = stat.S_IFMT(one.external_attr >> 16)
        _check_member(path, one.filename, one.file_size, regular=kind in (0, stat.S_IFREG))
        if one.flag_bits & 1 or one.compress_type not in PACKINGS:
            raise DataError(f"{path}: {one.filename} is encrypted or packed unusually; unpack it")
    unpacked, size = sum(one.file_size for one in images), path.stat().st_size
    if unpacked > max(RATIO_FROM_MIB * 2**20, MAX_RATIO * size):
        raise DataError(
            f"{path}: its images would unpack to {unpacked / 2**20:,.0f} MiB, more than "
            f"{MAX_RATIO} times its size; unpack it yourself if that is right"
        )
    return _by_name(path, ((one.filename, one) for one in images))


def _list_tar(path: Path) -> dict[str, _Place]:
    """List the images in a .tar.

    Raises:
        DataError: one is a link or no file.
    """
    found = []
    with (
        open_regular(path, ANY_MIB) as file,
        tarfile.open(fileobj=file, mode="r:", errorlevel=2) as archive,
    ):
        for number, one in enumerate(archive):
            if number >= MAX_ROWS:
                raise DataError(f"{path}: more than {MAX_ROWS:,} members")
            if is_image(one.name) and not one.isdir():
                regular = one.isreg() and not one.issparse()
                _check_member(path, one.name, one.size, regular=regular)
                found.append((one.name, _Place(one.offset_data, one.size)))
    return _by_name(path, found)


def _check_member(path: Path, name: str, size: int, *, regular: bool) -> None:
    if not regular:
        raise DataError(f"{path}: {name} is a link or no file; links in archives are not followed")
    if size > MAX_MIB * 2**20:
        raise DataError(f"{path}: {name} would unpack to {size:,} bytes; at most {MAX_MIB} MiB")


def _by_name(path: Path, members: Iterable[tuple[str, Member]]) -> dict[str, Member]:
    """Name members by their path below the one folder that holds them all, if there is one.

    Raises:
        DataError: two have the same path.
    """
    named: dict[str, Member] = {}
    for written, member in members:
        name = written.removeprefix("./")
        if name in named:
            raise DataError(f"{path}: has {name} twice")
        named[check_name(name, str(path))] = member
    tops = {name.split("/", 1)[0] for name in named}
    while len(tops) == 1 and all(name.count("/") > 1 for name in named):
        (top,) = tops
        if top.lower() in SPLIT_NAMES:
            break
        named = {name.removeprefix(f"{top}/"): member for name, member in named.items()}
        tops = {name.split("/", 1)[0] for name in named}
    return named


def _open(path: Path) -> tuple[ImageSource, list[str]]:
    """Open an archive and list its images."""
    if path.suffix.lower() == ".zip":
        members = _list_zip(path)
        return ZipSource(path, members), list(members)
    places = _list_tar(path)
    return TarSource(path, places), list(places)


def _read(task: Task, data: Path) -> Listing:
    """List the images of an archive; the splits that are drawn are written beside it."""
    del task  # the folders say it all
    if data.name.lower().endswith(COMPRESSED):
        raise DataError(
            f"{data}: is compressed as a whole, so that no image can be read alone; "
            "unpack it, or pack it as .tar or .zip"
        )
    try:
        source, names = _open(data)
    except DataError:
        raise
    except Exception as error:  # damaged archives end in many kinds of errors
        raise DataError(f"{data}: cannot be read ({one_line(error)})") from error
    file = data.with_name(f"{data.name}-split.csv")
    images, remarks = complete(lay_out(names, data), data, file)
    return list_table(images, data, data, source, remarks)


def _recognises(data: Path) -> bool:
    return data.name.lower().endswith((".zip", ".tar", *COMPRESSED)) and not data.is_dir()


READER = Reader(_read, recognises=_recognises)
