"""Measure how fast images reach a model from files and from a cache, and what a cache takes.

``python benchmarks/data.py`` draws photographs of 500 x 375 pixels, writes them as JPEG files and
compares, in one run: torchvision's ImageFolder in a DataLoader against the cache; making the cache
against decoding and resizing alone; and the memory that each further process takes.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.table import Table
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from sa2vp.data.images.batches import CachedImages
from sa2vp.data.images.cache import make_cache, open_cache, plan_cache
from sa2vp.data.images.decode import Resizing
from sa2vp.data.images.normalise import Normalise
from sa2vp.data.images.source import FolderSource
from sa2vp.printing import Console

BATCH = 64
SIZE = 224
CORES = os.cpu_count() or 1
RESIZE = {"crop": transforms.Resize(256), "resize": transforms.Resize((SIZE, SIZE))}
AUGMENT = {
    "crop": [transforms.RandomCrop(SIZE), transforms.RandomHorizontalFlip()],
    "resize": [],
}
SUITES = {"crop": "FGVC, train", "resize": "VTAB"}


def main(
    images: Annotated[int, typer.Option(help="Files to write.")] = 600,
    repeats: Annotated[int, typer.Option(help="Of each timing; medians are printed.")] = 5,
    processes: Annotated[int, typer.Option(help="That read the cache at once.")] = 4,
) -> None:
    """Print the three comparisons."""
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "images")
        names = write_photos(folder, images)
        kib = sum((folder / name).stat().st_size for name in names) / images / 1024
        console.print(f"{images} JPEG files of 500 x 375 pixels, {kib:.0f} KiB each; {CORES} cores")
        console.print(compare_loading(folder, names, repeats))
        console.print(compare_decoding(folder, names, repeats))
        console.print(measure_memory(folder, names, processes))


def write_photos(folder: Path, count: int) -> list[str]:
    """Write smooth noise as JPEG files of quality 90, in folders of two classes."""
    rng = np.random.default_rng(0)
    names = [f"{number % 2}/{number:04}.jpg" for number in range(count)]
    for label in ("0", "1"):
        (folder / label).mkdir(parents=True)
    for name in names:
        image = np.zeros((375, 500, 3))
        for step, weight in ((64, 0.4), (16, 0.3), (4, 0.2), (1, 0.1)):  # finer structure is weaker
            coarse = rng.integers(0, 256, (375 // step + 2, 500 // step + 2, 3), dtype=np.uint8)
            layer = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
            image += weight * np.asarray(layer)
        Image.fromarray(image.astype(np.uint8)).save(folder / name, quality=90)
    return names


def compare_loading(folder: Path, names: list[str], repeats: int) -> Table:
    """Time an epoch's normalised inputs: all cores decoding, and one thread with the cache."""
    table = Table(
        "images per second and core", "ImageFolder + DataLoader", "cache, one thread", "ratio"
    )
    for kind, suite in SUITES.items():
        plain = len(names) / median_seconds(plain_epoch(folder, kind), repeats) / CORES
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        ours = len(names) / median_seconds(cached_epoch(folder, names, kind), repeats)
        torch.set_num_threads(threads)
        table.add_row(suite, f"{plain:.0f}", f"{ours:.0f}", f"{ours / plain:.1f}")
    return table


def plain_epoch(folder: Path, kind: str) -> Callable[[], None]:
    """Set up torchvision's own way, with a worker on every core that stays between epochs."""
    steps = [RESIZE[kind], *AUGMENT[kind], transforms.ToTensor()]
    normalise = transforms.Normalize([0.5] * 3, [0.5] * 3)
    dataset = ImageFolder(str(folder), transforms.Compose([*steps, normalise]))
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=CORES, persistent_workers=True)

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


def open_examples(folder: Path, names: list[str], kind: str) -> CachedImages:
    """Open the cache, which the first call makes."""
    resizing = Resizing(SIZE, "crop" if kind == "crop" else "resize")
    cache = open_cache(FolderSource(folder), names, resizing, folder.with_name("cache"))
    targets = torch.zeros(len(names), dtype=torch.int64)
    return CachedImages(cache, np.arange(len(names)), targets, resizing, kind == "crop")


def cached_epoch(folder: Path, names: list[str], kind: str) -> Callable[[], None]:
    """Set up batches from the cache as a training run takes them."""
    examples = open_examples(folder, names, kind)
    normalise = Normalise((SIZE, SIZE))

    def epoch() -> None:
        batches = torch.randperm(len(names)).split(BATCH)
        draws = [torch.rand(len(batch), 3) for batch in batches]
        if not examples.augmented:
            for inputs in examples.load(batches):
                normalise(inputs)
            return
        for inputs, draw in zip(examples.load(batches, draws), draws, strict=True):
            normalise(inputs, draw[:, 2] < 0.5)

    return epoch


def compare_decoding(folder: Path, names: list[str], repeats: int) -> Table:
    """Time making a cache against decoding and resizing alone, in as many threads.

    Before, when the size is told, the headers of all images have been read.
    """
    source, resizing = FolderSource(folder), Resizing(SIZE, "crop")
    fresh = folder.with_name("fresh")

    def decode(name: str) -> None:
        with Image.open(folder / name) as image:
            RESIZE["crop"](image.convert("RGB"))

    def decode_all() -> None:
        with ThreadPoolExecutor(CORES) as executor:
            list(executor.map(decode, names))

    decode_all()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        plan = plan_cache(source, names, resizing, fresh)
        planning = time.perf_counter() - start
        build = partial(make_cache, plan)
        seconds.append((seconds_of(decode_all), seconds_of(build), planning))
        shutil.rmtree(fresh)
    plain, ours, headers = (statistics.median(times) for times in zip(*seconds, strict=True))
    table = Table(
        "images per second", "decoding and resizing", "making the cache", "ratio", "headers before"
    )
    rates = [f"{len(names) / seconds:.0f}" for seconds in (plain, ours, headers)]
    table.add_row(f"{CORES} threads", *rates[:2], f"{plain / ours:.2f}", rates[2])
    return table


def measure_memory(folder: Path, names: list[str], processes: int) -> Table:
    """Measure what processes that read the whole cache at once have for themselves."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    readers = [
        context.Process(target=read_all, args=(folder, names, barrier, answers))
        for _ in range(processes)
    ]
    for reader in readers:
        reader.start()
    grown = np.array([answers.get() for _ in readers]).max(0)
    for reader in readers:
        reader.join()
    mib = open_examples(folder, names, "crop").cache.pixels.nbytes / 2**20
    table = Table(
        "memory", "cache MiB", "private MiB, all images read", "of the cache", "as batches of 64"
    )
    share = f"{100 * grown[0] / mib:.1f} %"
    table.add_row(f"{processes} readers", f"{mib:.0f}", f"{grown[0]:.1f}", share, f"{grown[1]:.1f}")
    return table


def read_all(
    folder: Path, names: list[str], barrier: Barrier, answers: Queue[tuple[float, float]]
) -> None:
    """Tell by how many MiB a process's private memory grows when it reads a whole cache.

    First the images where they lie, then copied into batches too.
    """
    before = private_mib()
    examples = open_examples(folder, names, "crop")
    for row in range(len(examples)):
        examples.cache.image(row).max()
    barrier.wait()  # pages that one process alone has mapped count as private
    mapped = private_mib()
    for _ in examples.load(torch.arange(len(names)).split(BATCH)):
        pass
    answers.put((mapped - before, private_mib() - before))
    barrier.wait()


def private_mib() -> float:
    """Read this process's memory that no other process shares."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    found = re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB$", rollup, re.MULTILINE)
    return sum(map(int, found)) / 1024


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Time calls after one that is not timed."""
    function()
    return statistics.median(seconds_of(function) for _ in range(repeats))


def seconds_of(function: Callable[[], object]) -> float:
    """Time a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
