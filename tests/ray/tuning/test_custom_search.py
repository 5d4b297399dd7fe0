"""``run_search.py --suite custom`` on image files, from the folder to the predictions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from searches import ROOT
from shades import write_shades

COUNTS = {"train": 80, "val": 8, "test": 8}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with photos, what a search of them wrote and what it decoded."""
    home = tmp_path_factory.mktemp("custom")
    write_shades(home / "photos", COUNTS)
    done = search(home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "288 images to decode, once" in done.stdout
    return home


def search(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(
        "run_search.py", "--suite", "custom", "--data-dir", home / "photos", "--backbone", "demo",
        "--results", home / "results", "--cache-dir", home / "cache",
        "--trials", "2", "--epochs", "3", "--seeds", "1", *arguments,
    )  # fmt: skip


def rows(home: Path, kind: str) -> pd.DataFrame:
    files = sorted((home / "results" / kind).glob("*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files]).set_index("run_id")


def test_a_folder_is_searched_and_its_best_setting_tested(home: Path) -> None:
    runs = rows(home, "runs")
    assert list(runs["status"]) == ["completed"] * 3
    assert list(runs["phase"]) == ["final", "search", "search"]
    assert set(runs["task"]) == {"photos"}
    assert set(runs["image_size"]) == {32}
    final = runs.iloc[0]
    assert final["test_top1"] > 60  # chance is 33
    assert pd.isna(final["last_val_top1"])  # it trained on the validation split too


def test_a_dry_run_reports_the_data_and_leaves_no_results(home: Path, tmp_path: Path) -> None:
    places = ("--results", str(tmp_path / "none"), "--cache-dir", str(tmp_path / "cache"))
    done = search(home, "--dry-run", *places)
    assert done.returncode == 0, done.stderr
    row, *_ = [line for line in done.stdout.splitlines() if line.startswith("│ photos")]
    counts = [cell.strip() for cell in row.split("│")[-7:-2]]
    assert counts == ["3", "3", "240", "24", "24"]
    assert "288 images to decode, once" in done.stdout
    assert not (tmp_path / "none").exists()


def test_trials_never_open_the_test_split(home: Path) -> None:
    epochs = rows(home, "epochs")
    searched = epochs[epochs.index.str.contains("-search-")]
    assert searched["test_top1"].isna().all()
    assert searched["val_top1"].notna().all()


def test_the_same_command_again_decodes_and_trains_nothing(home: Path) -> None:
    before = rows(home, "runs")
    again = search(home)
    assert again.returncode == 0, again.stderr
    assert "images to decode" not in again.stdout
    pd.testing.assert_frame_equal(rows(home, "runs"), before)


def test_predictions_name_the_classes_and_are_those_of_the_run(home: Path) -> None:
    out = home / "predictions.csv"
    done = run(
        "-m", "sa2vp", "predict", home / "photos" / "test", "--results", home / "results",
        "--task", "photos", "--top-k", "1", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    predicted = pd.read_csv(out)
    right = predicted["path"].str.split("/").str[0] == predicted["class_name"]
    (final,) = rows(home, "runs").query("phase == 'final'")["test_top1"]
    assert 100 * right.mean() == pytest.approx(final)


def test_changed_data_are_refused_with_what_changed(home: Path) -> None:
    image = home / "photos" / "test" / "dark" / "00.jpg"
    content = image.read_bytes()
    Image.new("RGB", (60, 48), (200, 0, 0)).save(image)
    try:
        refused = search(home)
    finally:
        image.write_bytes(content)
    assert refused.returncode == 2
    (line,) = refused.stderr.strip().splitlines()
    assert "data of photos" in line
    assert "test" in line


def test_damage_is_named_before_any_trial_starts(home: Path) -> None:
    image = home / "photos" / "val" / "grey" / "03.jpg"
    content = image.read_bytes()
    image.write_bytes(content[:300])
    try:
        refused = search(home, "--fresh")
    finally:
        image.write_bytes(content)
    assert refused.returncode == 2
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith("run_search.py: --data-dir: ")
    assert "val/grey/03.jpg" in line
    assert len(rows(home, "runs")) == 3  # --fresh has set nothing aside


def test_images_can_be_streamed_with_the_same_results(home: Path, tmp_path: Path) -> None:
    streamed = search(home, "--no-cache", "--results", str(tmp_path))
    assert streamed.returncode == 0, streamed.stdout + streamed.stderr
    files = sorted((tmp_path / "epochs").glob("*.parquet"))
    again = pd.concat([pd.read_parquet(file) for file in files]).set_index("run_id")
    losses = ["epoch", "train_loss", "val_loss", "test_top1"]
    pd.testing.assert_frame_equal(again[losses], rows(home, "epochs")[losses])
