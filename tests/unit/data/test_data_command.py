"""``python -m sa2vp.data``: the tasks, the check's report and exit codes, downloads when asked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from searches import ROOT
from small_datasets import small_task, write_cifar10, write_image, write_vtab
from torchvision import datasets
from torchvision.datasets import CIFAR10

from sa2vp.data.download import download_missing
from sa2vp.data.errors import DataError
from sa2vp.data.readers import READERS, read_task
from sa2vp.suites import TASKS


def sa2vp_data(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sa2vp.data", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"COLUMNS": "200"}
    )


def test_the_paper_has_34_tasks() -> None:
    of_suite = {
        suite: [t for t in TASKS if t.suite == suite] for suite in ("fgvc", "vtab-1k", "hta")
    }
    assert [len(tasks) for tasks in of_suite.values()] == [5, 19, 10]
    groups = [task.group for task in of_suite["vtab-1k"]]
    assert [groups.count(g) for g in ("natural", "specialized", "structured")] == [7, 4, 8]
    assert {task.format for task in TASKS} <= {"drawn", *READERS}


def test_tasks_lists_them() -> None:
    done = sa2vp_data("tasks")
    assert done.returncode == 0
    assert sum("vtab-1k" in line for line in done.stdout.splitlines()) == 19
    assert "CUB_200_2011" in done.stdout


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for split in ("train", "val", "test"):
        for seed, name in enumerate(["cat", "dog"]):
            write_image(tmp_path / "photos" / split / name / "0.jpg", 10 * len(split) + seed)
    return tmp_path / "photos"


def test_check_reports_and_exits_with_0(photos: Path, tmp_path: Path) -> None:
    done = sa2vp_data(
        "check", "--suite", "custom", "--data-dir", photos, "--cache-dir", tmp_path / "cache"
    )
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if "photos" in line and "│" in line]
    assert [cell.strip() for cell in row.split("│")[-7:-2]] == ["2"] * 5


def test_check_names_damaged_images_and_exits_with_1(photos: Path, tmp_path: Path) -> None:
    (photos / "val/cat/0.jpg").write_text("no image")
    (photos / "test/dog/0.jpg").write_bytes(b"")
    done = sa2vp_data(
        "check", "--suite", "custom", "--data-dir", photos, "--cache-dir", tmp_path / "cache"
    )
    assert done.returncode == 1
    assert "photos: val/cat/0.jpg: no image of a known format" in done.stdout
    assert "photos: test/dog/0.jpg: no image of a known format" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--suite", "fgvc", "--data-dir", "/nowhere"], "--data-dir: no such folder"),
        (["check", "--suite", "imagenet"], "unknown suite 'imagenet'; known: demo, fgvc, vtab-1k"),
        (["check", "--suite", "vtab-1k", "--tasks", "cub"], "unknown task 'cub' in suite vtab-1k"),
        (["check", "--suite", "custom"], "--data-dir: no such folder or table: None"),
        (["check"], "Missing option '--suite'"),
    ],
)
def test_wrong_options_are_one_line_and_exit_with_2(arguments: list[str], message: str) -> None:
    done = sa2vp_data(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("python -m sa2vp.data: ")
    assert message in line


def test_every_missing_dataset_is_named(tmp_path: Path) -> None:
    write_vtab(tmp_path)
    done = sa2vp_data("check", "--suite", "hta", "--data-dir", tmp_path)
    assert done.returncode == 1
    missing = [line for line in done.stdout.splitlines() if "no folder of hta/" in line]
    assert len(missing) == 10
    assert sum(line.endswith("; --download fetches it") for line in missing) == 6


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder over HTTP."""
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def serve_small_cifar10(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack a small CIFAR-10, and have torchvision expect its checksums."""
    write_cifar10(served / "unpacked")
    folder = served / "unpacked" / "hta" / "cifar-10-batches-py"
    with tarfile.open(served / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    sums = {
        path.name: hashlib.md5(path.read_bytes()).hexdigest()  # noqa: S324 - torchvision's
        for path in (*folder.iterdir(), served / "cifar.tar.gz")
    }
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    monkeypatch.setattr(CIFAR10, "tgz_md5", sums["cifar.tar.gz"])
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in batches])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(
        CIFAR10,
        "meta",
        {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]},
    )


def test_download_fetches_what_is_missing_and_nothing_twice(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_small_cifar10(tmp_path / "served", monkeypatch)
    monkeypatch.setattr(CIFAR10, "url", f"{server}/cifar.tar.gz")
    task, said = small_task("hta", "cifar10"), list[str]()
    download_missing([task, small_task("hta", "cub200")], tmp_path / "data", said.append)
    assert said == [f"cifar10: downloading to {tmp_path / 'data' / 'hta'}"]
    assert len(read_task(task, tmp_path / "data").splits["train"]) == 8
    (tmp_path / "served" / "cifar.tar.gz").unlink()
    download_missing([task], tmp_path / "data", said.append)
    assert len(said) == 1


def test_a_failed_download_is_told_in_one_line(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CIFAR10, "url", f"{server}/gone.tar.gz")
    with pytest.raises(
        DataError, match=r"^hta/cifar10: cannot be downloaded \(HTTP Error 404"
    ) as e:
        download_missing([small_task("hta", "cifar10")], tmp_path / "data", print)
    assert "\n" not in str(e.value)


def test_hints_at_downloads_are_true() -> None:
    fetched = {task.name: task.download for task in TASKS if task.download}
    assert list(fetched) == ["cifar10", "cifar100", "dtd", "food101", "svhn", "gtsrb"]
    assert all(hasattr(datasets, name) for name in fetched.values())
