"""A process that opens a cache: ``python build_cache.py <images> <cache folder> [<stop after>]``.

Prints a line when it begins, and at the end what it decoded and holds. With a third argument it
says so after that many images, and waits to be killed.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import time
from pathlib import Path

from sa2vp.data.errors import DataError
from sa2vp.data.images.cache import open_cache
from sa2vp.data.images.decode import Resizing
from sa2vp.data.images.source import FolderSource


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(images: Path, cache_dir: Path, stop_after: int | None) -> None:
    decoded = 0

    def progress() -> None:
        nonlocal decoded
        decoded += 1
        if decoded == stop_after:
            say("stopped")
            time.sleep(600)

    say("begun")
    names = sorted(path.name for path in images.iterdir())
    try:
        cache = open_cache(FolderSource(images), names, Resizing(224, "crop"), cache_dir, progress)
    except DataError as error:
        say(json.dumps({"decoded": decoded, "error": str(error)}))
        return
    digest, digests = (hashlib.sha256(a).hexdigest() for a in (cache.pixels, cache.digests))
    say(json.dumps({"decoded": decoded, "pixels": digest, "digests": digests}))


if __name__ == "__main__":
    # Ctrl-C is heard even where it is ignored, as in a job in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
