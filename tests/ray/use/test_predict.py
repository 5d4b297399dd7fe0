"""Predictions of a folder: those of the run's own evaluation, whatever the images' sizes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.transforms import Resize

from sa2vp.methods.sa2vp import SA2VP
from sa2vp.models import create_sa2vp
from sa2vp.use import load_exported
from sa2vp.use.export import Export
from sa2vp.use.prediction import top_classes, write_predictions

Command = Callable[..., int]


@pytest.mark.parametrize("batch_size", [64, 7])
def test_the_task_s_images_give_the_accuracy_that_the_run_recorded(
    sa2vp: Command, results: Path, digits_images: Path, tmp_path: Path, batch_size: int
) -> None:
    runs = pd.read_parquet(results / "runs").set_index("run_id")
    finals = runs[runs["phase"] == "final"]
    best = finals.sort_values(["last_val_top1", "seed"], ascending=[False, True]).iloc[0]
    out = tmp_path / "predictions.csv"
    options = ("--results", results, "--task", "digits", "--out", out, "--batch-size", batch_size)
    assert sa2vp("predict", digits_images, *options) == 0
    table = pd.read_csv(out)
    first = table[table["rank"] == 1]
    hits = first["path"].str.extract(r"-(\d)\.png$")[0].astype(int) == first["label"]
    assert len(first) == 400
    assert 100 * hits.sum() / 400 == best["test_top1"]


def test_the_table_has_a_row_per_image_and_rank(
    sa2vp: Command, model_file: Path, digits_images: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    for number, file in enumerate(sorted(digits_images.iterdir())[:5]):
        folder = few / ("nested" if number % 2 else ".")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / f"{number}.png")
    csv, parquet = tmp_path / "p.csv", tmp_path / "p.parquet"
    for out in (csv, parquet):
        assert sa2vp("predict", few, "--model", model_file, "--out", out, "--top-k", 10) == 0
    table = pd.read_parquet(parquet)
    assert list(table.columns) == ["path", "rank", "label", "probability"]
    assert table["path"].drop_duplicates().tolist() == [
        "0.png", "2.png", "4.png", "nested/1.png", "nested/3.png",
    ]  # fmt: skip
    assert table["rank"].tolist() == list(range(1, 11)) * 5
    for _, image in table.groupby("path"):
        assert sorted(image["label"]) == list(range(10))
        assert image["probability"].is_monotonic_decreasing
        assert image["probability"].sum() == pytest.approx(1)
    pd.testing.assert_frame_equal(pd.read_csv(csv), table, check_dtype=False, rtol=1e-6)
    assert csv.read_text().splitlines()[0] == "path,rank,label,probability"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["few", "p.csv", "p.parquet"]


def test_images_of_other_sizes_are_resized_one_by_one(
    sa2vp: Command, model_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    model = load_exported(model_file)
    expected = []
    for number, (height, width) in enumerate([(32, 32), (64, 20), (7, 300), (1, 1)]):
        pixels = torch.randint(256, (height, width, 3), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
        resized = np.array(Resize((32, 32))(Image.fromarray(pixels.numpy())))
        image = torch.from_numpy(resized).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            expected.append(model((image - 127.5) / 127.5)[0].softmax(1)[0].max().item())
    out = tmp_path / "p.parquet"
    assert sa2vp("predict", folder, "--model", model_file, "--out", out, "--top-k", 1) == 0
    assert pd.read_parquet(out)["probability"].tolist() == pytest.approx(expected, abs=1e-5)


def test_unreadable_images_are_named_and_the_others_predicted(
    sa2vp: Command,
    model_file: Path,
    digits_images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    good = sorted(digits_images.iterdir())[0]
    shutil.copy(good, folder / "good.png")
    (folder / "broken.png").write_bytes(good.read_bytes()[:100])
    (folder / "text.jpg").write_text("no image")
    (folder / "link.png").symlink_to(good)
    out = tmp_path / "p.csv"
    options = ("--model", model_file, "--out", out, "--batch-size", 1)
    assert sa2vp("predict", folder, *options) == 1
    assert pd.read_csv(out)["path"].unique().tolist() == ["good.png"]
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in told] == [
        ["no prediction", "broken.png"],
        ["no prediction", "link.png"],
        ["no prediction", "text.jpg"],
    ]
    assert told[1].endswith("a link that leads out of the folder")


def test_a_folder_of_unreadable_images_gives_an_empty_table(
    sa2vp: Command, model_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no image")
    out = tmp_path / "p.csv"
    assert sa2vp("predict", tmp_path, "--model", model_file, "--out", out) == 1
    assert out.read_text() == "path,rank,label,probability\n"


def test_class_names_stand_beside_labels(
    sa2vp: Command, digits_export: Export, digits_images: Path, tmp_path: Path
) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    model, out = tmp_path / "named.safetensors", tmp_path / "p.parquet"
    replace(digits_export, card=replace(digits_export.card, class_names=names)).save(model)
    assert sa2vp("predict", digits_images, "--model", model, "--out", out) == 0
    table = pd.read_parquet(out)
    assert list(table.columns) == ["path", "rank", "label", "class_name", "probability"]
    assert table["class_name"].tolist() == [names[label] for label in table["label"]]


def test_of_equal_probabilities_the_lower_label_comes_first() -> None:
    model = create_sa2vp("demo", num_classes=10).eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    labels, probabilities = top_classes(
        model, SA2VP(inter_dim=8, inter_weight=0.1), torch.rand(2, 3, 32, 32), 3
    )
    assert labels.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert probabilities.flatten().tolist() == pytest.approx([0.1] * 6)


def test_more_classes_than_there_are_are_refused(
    sa2vp: Command,
    model_file: Path,
    digits_images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--model", model_file, "--out", tmp_path / "p.csv", "--top-k", 11)
    assert sa2vp("predict", digits_images, *options) == 2
    assert capsys.readouterr().err == "sa2vp: --top-k: task digits has 10 classes, got 11\n"


def test_another_suffix_is_refused_before_torch_is_imported(
    model_file: Path, digits_images: Path, tmp_path: Path
) -> None:
    script = (
        "import sys; from sa2vp.cli.main import main; code = main(); "
        "assert not {'torch', 'ray'} & sys.modules.keys(); sys.exit(code)"
    )
    out = tmp_path / "p.txt"
    arguments = ["predict", digits_images, "--model", model_file, "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == f"sa2vp: --out: {out} must end in .csv or .parquet\n"
    assert done.returncode == 2


def test_names_are_no_formulas_in_csv_and_unchanged_in_parquet(tmp_path: Path) -> None:
    names = {"path": ["=1+1.png", "a\nb.png", "-x.png"], "class_name": ["@SUM(A1)", "cat", "dog"]}
    predictions = pd.DataFrame({**names, "rank": 1, "label": [3, 1, 2], "probability": 0.5})
    for suffix in (".csv", ".parquet"):
        write_predictions(predictions, tmp_path / f"p{suffix}")
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["path"].tolist() == ["'=1+1.png", r"a\nb.png", "'-x.png"]
    assert table["class_name"].tolist() == ["'@SUM(A1)", "cat", "dog"]
    assert pd.read_parquet(tmp_path / "p.parquet")[[*names]].to_dict("list") == names
