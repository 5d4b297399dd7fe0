"""Small datasets on disk, in the formats that users have."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image
from scipy.io import savemat

from sa2vp.suites import Task, suite_tasks


def small_task(suite: str, name: str, num_classes: int = 3) -> Task:
    (task,) = suite_tasks(suite, [name])
    return replace(task, num_classes=num_classes)


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_vtab(data_dir: Path) -> dict[str, list[tuple[str, int]]]:
    """Write 6, 3 and 3 images of three classes as ``vtab-1k/dtd``; give what the lists say."""
    folder = data_dir / "vtab-1k" / "dtd"
    lists: dict[str, list[tuple[str, int]]] = {}
    seed = 0
    for split, count in (("train800", 6), ("val200", 3), ("test", 3)):
        lists[split] = [(f"images/{split}/some file {n}.jpg", n % 3) for n in range(count)]
        for name, _ in lists[split]:
            write_image(folder / name, seed)
            seed += 1
    lists["train800val200"] = lists["train800"] + lists["val200"]
    for split, entries in lists.items():
        lines = [f"{name} {label}" for name, label in entries]
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return lists


def write_fgvc(data_dir: Path) -> None:
    """Write three classes with ids 4, 30 and 200 as ``fgvc/CUB_200_2011``."""
    folder = data_dir / "fgvc" / "CUB_200_2011"
    seed = 100
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        entries = {f"{split}_{n}.jpg": (30, 200, 4)[n % 3] for n in range(count)}
        for name in entries:
            write_image(folder / "images" / name, seed)
            seed += 1
        (folder / f"{split}.json").write_text(json.dumps(entries))


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes strings as Python 2 did, which knew no bytes."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _save_string(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        self.write(b"T" + len(raw).to_bytes(4, "little") + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = _save_string


def pickled_by_python_2(content: object) -> bytes:
    buffer = BytesIO()
    _Python2Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def drawn_pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def write_cifar10(data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write 10 training and 3 test images of three classes; give the training and test pixels."""
    folder = data_dir / "hta" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    train, test = drawn_pixels(10), drawn_pixels(3, seed=1)
    for number in range(5):
        rows = slice(2 * number, 2 * number + 2)
        _write_batch(
            folder / f"data_batch_{number + 1}",
            "labels",
            train[rows],
            [number % 3, (number + 1) % 3],
        )
    _write_batch(folder / "test_batch", "labels", test, [2, 1, 0])
    meta = {"label_names": ["airplane", "automobile", "bird"]}
    (folder / "batches.meta").write_bytes(pickled_by_python_2(meta))
    return train, test


def write_cifar100(data_dir: Path) -> None:
    folder = data_dir / "hta" / "cifar-100-python"
    folder.mkdir(parents=True)
    _write_batch(folder / "train", "fine_labels", drawn_pixels(10), [n % 3 for n in range(10)])
    _write_batch(folder / "test", "fine_labels", drawn_pixels(3, seed=1), [2, 1, 0])
    meta = {"fine_label_names": ["apple", "bear", "cup"], "coarse_label_names": ["x"]}
    (folder / "meta").write_bytes(pickled_by_python_2(meta))


def _write_batch(path: Path, key: str, images: np.ndarray, labels: list[int]) -> None:
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    batch = {"data": rows, key: labels, "filenames": [f"{n}.png" for n in range(len(images))]}
    path.write_bytes(pickled_by_python_2(batch))


def write_svhn(data_dir: Path) -> np.ndarray:
    """Write 10 training and 3 test digits, labelled as MATLAB counts; give the test pixels."""
    folder = data_dir / "hta" / "svhn"
    folder.mkdir(parents=True)
    test = drawn_pixels(3, seed=1)
    for name, images, labels in (
        ("train", drawn_pixels(10), [10, 1, 2, 10, 1, 2, 10, 1, 2, 2]),
        ("test", test, [10, 2, 1]),
    ):
        content = {"X": images.transpose(1, 2, 3, 0), "y": np.array(labels, np.uint8)[:, None]}
        savemat(folder / f"{name}_32x32.mat", content, do_compression=True)
    return test


def write_gtsrb(data_dir: Path) -> None:
    folder = data_dir / "hta" / "gtsrb"
    for number in range(10):
        of_class = folder / "GTSRB" / "Training" / f"{number % 3:05}"
        write_image(of_class / f"00000_{number:05}.ppm", number)
        (of_class / f"GT-{number % 3:05}.csv").write_text("Filename;Width\n")
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for number, label in enumerate([2, 0, 1]):
        write_image(folder / "GTSRB" / "Final_Test" / "Images" / f"{number:05}.ppm", 50 + number)
        lines.append(f"{number:05}.ppm;16;12;1;1;15;11;{label}")
    (folder / "GT-final_test.csv").write_text("\r\n".join(lines) + "\r\n")


def write_food101(data_dir: Path) -> None:
    folder = data_dir / "hta" / "food-101"
    dishes = ("waffles", "apple_pie", "ramen")
    lists = {
        "train": {dish: [f"{dish}/{n}" for n in range(5)] for dish in dishes},
        "test": {dish: [f"{dish}/9{n}" for n in range(1)] for dish in dishes},
    }
    for split, listed in lists.items():
        for seed, name in enumerate(name for names in listed.values() for name in names):
            write_image(folder / "images" / f"{name}.jpg", seed + 70 * (split == "test"))
        (folder / "meta").mkdir(exist_ok=True)
        (folder / "meta" / f"{split}.json").write_text(json.dumps(listed))


def write_textures(data_dir: Path) -> None:
    folder = data_dir / "hta" / "dtd" / "dtd"
    for start, (split, count) in enumerate([("train", 6), ("val", 3), ("test", 3)]):
        names = [f"{kind}/{kind}_{start}{n}.jpg" for n in range(count // 3) for kind in TEXTURES]
        for seed, name in enumerate(names):
            write_image(folder / "images" / name, seed + 10 * start)
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{split}1.txt").write_text("\n".join(names) + "\n")


TEXTURES = ("woven", "banded", "dotted")

WRITERS = {
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "svhn": write_svhn,
    "gtsrb": write_gtsrb,
    "food101": write_food101,
    "dtd": write_textures,
}
"""By task of HTA, what writes a small one."""
