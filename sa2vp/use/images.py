"""The images of a folder, found without leaving it and decoded as the training images are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sa2vp.data.images.batches import gather_crops
from sa2vp.data.images.decode import Resizing, decode
from sa2vp.data.images.normalise import Normalise
from sa2vp.data.images.pillow import SUFFIXES
from sa2vp.data.images.source import FolderSource
from sa2vp.use.errors import UseError


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """What was found in a folder and all folders below it.

    Attributes:
        root: the folder, without links.
        paths: of the images, relative to it and with ``/``, sorted.
        skipped: what was left out, and why, by path.
    """

    root: Path
    paths: list[str]
    skipped: dict[str, str]


def find_images(folder: Path) -> ImageFolder:
    """Find the images of a folder by their suffixes.

    A link is followed to a file inside the folder only, so that nothing outside it is read. Linked
    folders are not entered; what lies inside the folder is found at its own place.

    Raises:
        UseError: it is no folder, or holds no image.
    """
    if not folder.is_dir():
        raise UseError(f"{folder}: no such folder")
    root = folder.resolve()
    paths: list[str] = []
    skipped: dict[str, str] = {}

    def note(error: OSError) -> None:
        skipped[_relative(Path(error.filename), root)] = f"cannot be entered: {error.strerror}"

    for parent, folders, files in os.walk(root, onerror=note):
        for name in (*folders, *files):
            path = Path(parent, name)
            reason = _objection(path, root)
            if reason is not None:
                skipped[_relative(path, root)] = reason
            elif path.is_file() and path.suffix.lower() in SUFFIXES:
                paths.append(_relative(path, root))
    if not paths and not skipped:
        raise UseError(f"{folder}: no image in it; images end in {', '.join(SUFFIXES)}")
    return ImageFolder(root, sorted(paths), dict(sorted(skipped.items())))


def _objection(path: Path, root: Path) -> str | None:
    """Say why a file or folder that may matter is left out."""
    leads_out = path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root)
    named_image = path.suffix.lower() in SUFFIXES
    if leads_out and (named_image or path.is_dir()):
        return "a link that leads out of the folder"
    if not named_image or path.is_dir():
        return None
    if not path.is_file():
        return "a link that leads nowhere" if path.is_symlink() else "no regular file"
    if not _is_text(path):
        return "its name is not UTF-8"
    return None


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """Turns image files into the model's input, as the run's own evaluation does.

    Attributes:
        resizing: of the task.
    """

    resizing: Resizing

    def __call__(self, path: Path) -> Tensor:
        """Give ``(1, 3, size, size)``.

        Raises:
            UnreadableImageError: the file cannot be decoded whole.
        """
        path = path.resolve()
        pixels = decode(FolderSource(path.parent), path.name, self.resizing)
        size = self.resizing.size
        return Normalise((size, size))(gather_crops(lambda _: pixels, [0], size))
