"""What a task's data is, in a few digits, and what has changed in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sa2vp.data.readers.base import Listing


@dataclass(frozen=True, slots=True)
class Manifest:
    """A task's data in short; the same on every machine and wherever the folder lies.

    Attributes:
        splits: for each split its number of ``images``, a digest of its names and ``labels``, and
            one of the images' ``contents``.
    """

    splits: Mapping[str, Mapping[str, int | str]]

    @property
    def fingerprint(self) -> str:
        """Give 16 hexadecimal digits of a SHA-256 over all of it."""
        return _digest(self.splits)


def make_manifest(listing: Listing, digests: Mapping[str, str]) -> Manifest:
    """Put a listing and its images' contents in short.

    Args:
        listing: of the images.
        digests: SHA-256 of each image's content, by name. Images that were made here have one
            digest, which says it all.
    """
    if listing.decoded is not None:
        return Manifest({"all": {"contents": listing.decoded.fingerprint}})
    return Manifest(
        {
            name: {
                "images": len(split),
                "labels": _digest(list(zip(split.names, split.labels.tolist(), strict=True))),
                "contents": _digest([digests[image] for image in split.names]),
            }
            for name, split in listing.splits.items()
        }
    )


def what_changed(noted: Manifest, now: Manifest) -> str:
    """Say in one line how data differ from what was noted."""
    changes = []
    for split, before in noted.splits.items():
        after = now.splits.get(split, {})
        if before.get("images") != after.get("images"):
            changes.append(f"{split} has {after.get('images', 0)} images, not {before['images']}")
        elif before.get("labels") != after.get("labels"):
            changes.append(f"names or labels of {split} differ")
        elif before.get("contents") != after.get("contents"):
            changes.append(f"contents of images of {split} differ")
    return "; ".join(changes) or "nothing that was noted"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
