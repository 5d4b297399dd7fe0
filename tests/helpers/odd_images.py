"""Images that nobody means to send: of other formats, of strange pixels, or made to do harm."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
UNKNOWN = "no image of a known format (JPEG, PNG, GIF, WEBP, BMP, PPM, TIFF)"
NOT_PLAIN = "grey of more than 8 bits that is not plain 16-bit; save it with 8 or 16 bits"
FLOATS = "its pixels are floats of no certain range; save it with 8 or 16 bits"


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    """Declare RGB pixels, and hold one byte of them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + data + chunk(b"IEND", b"")


def tiff(data: bytes, **changes: int) -> bytes:
    """Write a grey image of one row of two pixels, with other tags as asked."""
    tags = {"t256": 2, "t257": 1, "t258": 16, "t259": 1, "t262": 1, "t277": 1, "t278": 1} | changes
    tags["t325" if "t324" in tags else "t279"] = len(data)
    start = 8 + 2 + 12 * (len(tags) + ("t324" not in tags)) + 4
    tags["t324" if "t324" in tags else "t273"] = start
    entries = sorted((int(tag[1:]), value) for tag, value in tags.items())
    ifd = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + ifd + bytes(4) + data


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", UNKNOWN),
    "postscript.jpg": (EPS, UNKNOWN),
    "pdf.jpg": (saved(NOISE, "PDF"), UNKNOWN),
    "icon.png": (saved(NOISE, "ICO"), UNKNOWN),
    "cut.jpg": (saved(NOISE, "JPEG")[:-300], "truncated"),
    "nothing.png": (png(0, 0), UNKNOWN),
    "short.png": (png(40, 40), "truncated"),
    "large.png": (png(9460, 9460), "too large: it has 9460 x 9460 pixels, 89,478,485 are allowed"),
    "bomb.png": (png(20_000, 20_000), "could be decompression bomb"),
    "text.png": (png(1, 1, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**22)))), "too large"),
    "long.ppm": (b"P6 " + b"9" * 1000 + b" 9 255\n", "Token too long"),
    "float.tif": (saved(Image.new("F", (4, 4), 0.5), "TIFF"), FLOATS),
    "float.ppm": (b"Pf\n1 1\n-1.0\n" + struct.pack("<f", 0.5), FLOATS),
    "32-bit.tif": (saved(Image.new("I", (4, 4), 200), "TIFF"), NOT_PLAIN),
    "12-bit.tif": (tiff(b"\xff\xf0\x00", t258=12), NOT_PLAIN),
    "white-is-0.tif": (tiff(bytes(4), t262=0), NOT_PLAIN),
    # One tile of a compressed image of two pixels: it would take a GiB.
    "tile.tif": (
        tiff(zlib.compress(b"\0"), t258=8, t259=8, t322=32768, t323=32768, t324=0),
        "too large: its tiles have 32768 x 32768 pixels",
    ),
}
"""By name: the content, and a part of what is said."""


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may not be long
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def make_large_file(path: Path) -> None:
    """Write a whole image, and zeros up to just above the limit; they take no room."""
    path.write_bytes(saved(NOISE, "PNG"))
    os.truncate(path, 256 * 2**20 + 1)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe.png": (make_pipe, "no regular file"),
    "socket.png": (make_socket, "no regular file"),
    "folder.png": (Path.mkdir, "no regular file"),
    "linked-pipe.png": (lambda path: path.symlink_to("pipe.png"), "no regular file"),
    "huge.png": (make_large_file, "larger than 256 MiB"),
    "terminal\x1b[2J\n.png": (lambda path: path.write_text("no image"), UNKNOWN),
}
"""By name: what makes it, and what is said."""


def colours(*frames: str) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), frame) for frame in frames]


def animated(file_format: str, **options: Any) -> bytes:
    first, *others = colours("red", "blue", "green")
    return saved(first, file_format, save_all=True, append_images=others, duration=9, **options)


def palette_with_alpha() -> bytes:
    image = Image.new("P", (8, 8), 3)
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 255, 0, 0])
    return saved(image, "PNG", transparency=bytes([255, 255, 255, 0]))


RED, WHITE = (255, 0, 0), (255, 255, 255)

DECODED: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "animated-gif.png": (animated("GIF"), RED),
    "animated-webp.png": (animated("WEBP", lossless=True), RED),
    "animated.png": (animated("PNG"), RED),
    "pages.tif": (animated("TIFF"), RED),
    "palette-alpha.png": (palette_with_alpha(), RED),
    "transparent.png": (saved(Image.new("RGBA", (8, 8), (*RED, 0)), "PNG"), RED),
    "bilevel.png": (saved(Image.new("1", (8, 8), 1), "PNG"), WHITE),
    "cmyk.tif": (saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), RED),
    "cmyk.jpg": (saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), RED),
}
"""By name: the content, and the colour of every pixel."""
