"""Caches made by several processes, killed ones among them, and on disks that are full."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import build_cache
import pytest
from photos import photo, save_photos, truncate
from PIL import Image
from power import Disk, cutting
from searches import ROOT

from sa2vp.data.errors import DataError, UnreadableImagesError
from sa2vp.data.images.cache import make_cache, open_cache, plan_cache
from sa2vp.data.images.decode import Resizing
from sa2vp.data.images.every_image import in_threads
from sa2vp.data.images.source import FolderSource

COUNT = 40
"""Images; at 256 x 334 to 384 pixels of 3 bytes about 10 MiB, or 0.01 GiB."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    save_photos(tmp_path / "images", COUNT)
    return tmp_path / "images"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes that open a cache, and kill those that a failed test leaves."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(
        *arguments: str | Path | int, before: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        command = [sys.executable, build_cache.__file__, *map(str, arguments)]
        process = subprocess.Popen(
            [*before, *command],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        with process:
            process.kill()


def names_in(images: Path) -> list[str]:
    return sorted(path.name for path in images.iterdir())


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def left_in(cache_dir: Path) -> list[str]:
    return sorted(path.suffix or "cache" for path in cache_dir.iterdir())


def test_others_finish_when_the_builder_is_killed(
    tmp_path: Path, images: Path, start: Start
) -> None:
    alone = result_of(start(images, tmp_path / "alone"))
    assert alone["decoded"] == COUNT
    cache_dir = tmp_path / "shared"
    builder = start(images, cache_dir, COUNT // 2)
    assert [line_of(builder), line_of(builder)] == ["begun", "stopped"]
    assert left_in(cache_dir) == [".lock", ".partial"]
    others = [start(images, cache_dir) for _ in range(3)]
    assert [line_of(other) for other in others] == ["begun"] * 3
    builder.kill()
    assert builder.wait() == -signal.SIGKILL
    results = [result_of(other) for other in others]
    # One of them made the cache, from the first image on; the others waited for it.
    assert sorted(result.pop("decoded") for result in results) == [0, 0, COUNT]
    assert results == [{"pixels": alone["pixels"], "digests": alone["digests"]}] * 3
    assert left_in(cache_dir) == [".lock", "cache"]


def test_a_cache_is_whole_or_not_there_after_a_power_cut(tmp_path: Path) -> None:
    save_photos(tmp_path / "images", 3)
    disk, left = tmp_path / "disk", tmp_path / "left"
    for folder in (disk, left):
        folder.mkdir()
    plan = plan_cache(
        FolderSource(tmp_path / "images"), names_in(tmp_path / "images"), Resizing(32, "crop"), disk
    )
    found: list[bool] = []

    def cut(after: Disk) -> None:
        for kept in (True, False):
            target = left / str(len(found))
            after.cut(target, lambda _, kept=kept: kept)
            found.append((target / plan.folder.name).exists())
            if found[-1]:
                copy = make_cache(replace(plan, folder=target / plan.folder.name, index=None))
                pixels.append(copy.pixels.tobytes())

    pixels: list[bytes] = []
    with cutting(disk, cut):
        made = make_cache(plan)
    assert set(pixels) == {made.pixels.tobytes()}
    assert found[-2:] == [True, True]  # also where only what was synced is kept


def test_an_interrupted_builder_leaves_nothing_half_made(
    tmp_path: Path, images: Path, start: Start
) -> None:
    builder = start(images, tmp_path / "cache", COUNT // 2)
    assert [line_of(builder), line_of(builder)] == ["begun", "stopped"]
    builder.send_signal(signal.SIGINT)
    _, errors = builder.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert left_in(tmp_path / "cache") == [".lock"]


def assert_refused_for_space(result: dict[str, Any], cache_dir: Path) -> None:
    assert result["decoded"] == 0
    assert result["error"].startswith(f"{cache_dir}: decoded images need 0.01 GiB, ")
    assert " GiB are free; " in result["error"]
    assert "--cache-dir" in result["error"]
    assert "--no-cache" in result["error"]
    assert "\n" not in result["error"]


def test_a_full_disk_is_found_before_anything_is_decoded(
    tmp_path: Path, images: Path, start: Start
) -> None:
    disk, cache_dir = tmp_path / "disk", tmp_path / "disk" / "cache"
    disk.mkdir()
    own_mounts = ["unshare", "--mount", "--map-root-user"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)]
    if subprocess.run([*own_mounts, *mount], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    # What would be found only when decoded is not what is reported.
    truncate(images / "005.jpg")
    shell = [*own_mounts, "sh", "-c", f'{" ".join(mount)} && "$@"; ls -A {cache_dir} >&2', "sh"]
    process = start(images, cache_dir, before=shell)
    output, errors = process.communicate(timeout=60)
    result = json.loads(output.splitlines()[-1])
    assert_refused_for_space(result, cache_dir)
    assert "0.00 GiB are free" in result["error"]
    assert [Path(name).suffix for name in errors.split()] == [".lock"]


def test_a_file_system_that_holds_no_such_file_is_refused_alike(
    tmp_path: Path, images: Path, start: Start
) -> None:
    truncate(images / "005.jpg")
    limited = ["sh", "-c", 'ulimit -f 128 && exec "$@"', "sh"]  # 64 KiB at most
    result = result_of(start(images, tmp_path / "cache", before=limited))
    assert_refused_for_space(result, tmp_path / "cache")
    assert left_in(tmp_path / "cache") == [".lock"]
    shutil.rmtree(images)
    save_photos(images, COUNT)
    assert result_of(start(images, tmp_path / "cache"))["decoded"] == COUNT


def test_a_last_image_that_does_not_fit_is_found_while_writing(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")  # as on macOS, which reserves no space
    source, names, resizing = FolderSource(images), names_in(images), Resizing(32, "crop")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    last_byte = plan_cache(source, names, resizing).missing_bytes - 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (last_byte, before[1]))
    try:
        with pytest.raises(DataError, match=r"decoded images need .* are free"):
            open_cache(source, names, resizing, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_in(tmp_path / "cache") == [".lock"]


def test_an_image_replaced_meanwhile_is_named(tmp_path: Path, images: Path) -> None:
    class Replacing(FolderSource):
        def read(self, name: str) -> tuple[bytes, Image.Image]:
            if name == "007.jpg":
                photo(90, 40).convert("RGB").save(self.path(name))
            return super().read(name)

    names = names_in(images)
    with pytest.raises(UnreadableImagesError, match=r": 007\.jpg: has changed since"):
        open_cache(Replacing(images), names, Resizing(32, "crop"), tmp_path / "cache")
    assert left_in(tmp_path / "cache") == [".lock"]


def test_after_an_error_the_other_images_are_left_out() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.001)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_threads(work, range(1000), progress=interrupt)
    assert len(begun) < 1000


def test_a_cache_folder_that_cannot_be_made_is_named(
    tmp_path: Path, images: Path, start: Start
) -> None:
    (tmp_path / "file").touch()
    result = result_of(start(images, tmp_path / "file" / "cache"))
    reason = "decoded images cannot be kept here (Not a directory); choose another folder with"
    assert result["error"].startswith(f"{tmp_path / 'file' / 'cache'}: {reason} --cache-dir")
