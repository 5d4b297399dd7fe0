"""What each image contains and whether it can be decoded, found once and remembered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sa2vp.data.errors import UnreadableImageError
from sa2vp.data.images.cache import cache_root
from sa2vp.data.images.decode import blaming
from sa2vp.data.images.every_image import in_threads
from sa2vp.data.images.pillow import as_rgb
from sa2vp.data.images.source import ImageSource
from sa2vp.files import make_folder, replacing


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one image.

    Attributes:
        name: as its source knows it.
        stamp: of its source; as long as that stays, so do the facts.
        digest: SHA-256 of its content, in hexadecimal digits; empty where it cannot be read.
        damage: why it cannot be decoded whole; empty where it can.
    """

    name: str
    stamp: str
    digest: str
    damage: str


def examine(
    source: ImageSource,
    names: Sequence[str],
    cache_dir: Path | None = None,
    progress: Callable[[], None] | None = None,
) -> dict[str, Facts]:
    """Read and decode every image that is new or has changed since it was last examined.

    Args:
        source: of the images.
        names: may repeat.
        cache_dir: where facts are remembered; by default the user's cache folder.
        progress: called after each image, by this thread.

    Returns:
        The facts of each image, by name.

    Raises:
        DataError: the user has no cache folder, and gives none.
    """
    memory = _memory(source, cache_dir)
    known = _recall(memory)

    def look(name: str) -> Facts:
        try:
            with blaming(name):
                stamp = source.stamp(name)
        except UnreadableImageError as error:
            return Facts(name, "", "", error.reason)
        remembered = known.get(name)
        if remembered is not None and remembered.stamp == stamp:
            return remembered
        return _decode(source, name, stamp)

    found = in_threads(look, dict.fromkeys(names), progress=progress)
    facts = {fact.name: fact for fact in found}
    if any(known.get(name) != fact for name, fact in facts.items()):
        _remember(memory, known | facts)
    return facts


def _decode(source: ImageSource, name: str, stamp: str) -> Facts:
    digest = ""
    try:
        with blaming(name):
            content, image = source.read(name)
            digest = hashlib.sha256(content).hexdigest()
            with image:
                as_rgb(image)
    except UnreadableImageError as error:
        return Facts(name, stamp, digest, error.reason)
    return Facts(name, stamp, digest, "")


def _memory(source: ImageSource, cache_dir: Path | None) -> Path | None:
    """Give the file for what is known of a folder; None for images that are no files."""
    if not source.location:
        return None
    key = hashlib.sha256(os.fsencode(source.location)).hexdigest()[:32]
    return cache_root(cache_dir) / "examined" / f"{key}.parquet"


def _recall(memory: Path | None) -> dict[str, Facts]:
    if memory is None or not memory.exists():
        return {}
    try:
        rows = pq.read_table(memory, columns=[field.name for field in fields(Facts)]).to_pylist()
        return {row["name"]: Facts(**row) for row in rows}
    except Exception:  # noqa: BLE001 - whatever ails it: the images themselves are still there
        return {}


def _remember(memory: Path | None, facts: dict[str, Facts]) -> None:
    """Write the facts, whole or not at all; a full disk costs another look, not the search."""
    if memory is None:
        return
    with suppress(OSError):
        make_folder(memory.parent)
        with replacing(memory) as temporary:
            pq.write_table(
                pa.Table.from_pylist([asdict(fact) for fact in facts.values()]), temporary
            )
