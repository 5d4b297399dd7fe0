"""What the lists on disk say is what is read, and what they should not say is refused by line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_datasets import small_task, write_fgvc, write_image, write_vtab

from sa2vp.data.custom import custom_task, list_custom
from sa2vp.data.errors import DataError
from sa2vp.data.readers import read_task
from sa2vp.data.readers.base import SPLITS, SplitList
from sa2vp.data.readers.class_folders import SPLIT_FILE

VTAB = small_task("vtab-1k", "dtd")
CUB = small_task("fgvc", "cub200")


def pairs(split: SplitList) -> list[tuple[str, int]]:
    return list(zip(split.names, split.labels.tolist(), strict=True))


def test_vtab_lists_are_read_as_they_stand(tmp_path: Path) -> None:
    lists = write_vtab(tmp_path)
    splits = read_task(VTAB, tmp_path).splits
    assert pairs(splits["train"]) == lists["train800"]
    assert pairs(splits["val"]) == lists["val200"]
    assert pairs(splits["test"]) == lists["test"]


def test_fgvc_ids_become_labels_in_the_order_of_the_training_split(tmp_path: Path) -> None:
    write_fgvc(tmp_path)
    listing = read_task(CUB, tmp_path)
    assert pairs(listing.splits["val"]) == [
        ("images/val_0.jpg", 1),
        ("images/val_1.jpg", 2),
        ("images/val_2.jpg", 0),
    ]
    assert listing.classes == ["4", "30", "200"]


@pytest.mark.parametrize("place", ["", "vtab-1k"])
def test_the_folder_is_found_with_and_without_its_suite(tmp_path: Path, place: str) -> None:
    write_vtab(tmp_path)
    assert read_task(VTAB, tmp_path / place).folder == tmp_path / "vtab-1k" / "dtd"


def test_a_missing_folder_is_told_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder of fgvc/cub200; looked for fgvc/CUB_200_2011"):
        read_task(CUB, tmp_path)


def first_line(line: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "vtab-1k" / "dtd" / "test.txt"
        _, *others = path.read_text().splitlines()
        path.write_text("\n".join([line, *others]))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (first_line("images/a.jpg"), r"test\.txt:1: expected 'relative/path label', got"),
        (first_line("images/a.jpg 3"), r"test\.txt:1: label 3 of dtd is not from 0 to 2"),
        (first_line("images/a.jpg -1"), r"test\.txt:1: expected"),
        (first_line("images/a.jpg " + "9" * 5000), r"test\.txt:1: label 9+ of dtd is not"),
        (first_line("/etc/passwd 1"), r"test\.txt:1: '/etc/passwd' is no path inside"),
        (first_line("../a.jpg 1"), r"test\.txt:1: '\.\./a\.jpg' is no path inside"),
        (first_line("images/test/some file 1.jpg 1"), r"test\.txt: lists images/test/.* twice"),
        (lambda d: (d / "vtab-1k/dtd/val200.txt").unlink(), r"val200\.txt: no such file"),
        (lambda d: (d / "vtab-1k/dtd/val200.txt").write_text("\n"), r"val200\.txt: lists no im"),
        (lambda d: (d / "vtab-1k/dtd/val200.txt").write_bytes(b"\xff 1"), r"cannot be read as UT"),
        (
            lambda d: (d / "vtab-1k/dtd/train800val200.txt").write_text("a.jpg 1"),
            r"train800val200\.txt: differs from train800\.txt and val200\.txt together",
        ),
    ],
)
def test_malformed_lists_are_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    write_vtab(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=message) as refused:
        read_task(VTAB, tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"val\.json: no JSON"),
        ("[1]", r"val\.json: expected"),
        ('{"a.jpg": 4, "a.jpg": 30}', r"val\.json: lists a\.jpg twice"),
        ('{"a.jpg": "4"}', r"val\.json: the class of a\.jpg is '4', no integer"),
        ('{"a.jpg": true}', r"val\.json: the class of a\.jpg is True"),
        ('{"a.jpg": 5}', r"val\.json: class 5 does not occur in train\.json"),
        ('{"../a.jpg": 4}', r"val\.json: '\.\./a\.jpg' is no path inside"),
        ("{}", r"val\.json: lists no image"),
        ("[" * 100_000, r"val\.json: no JSON"),
    ],
)
def test_malformed_split_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    write_fgvc(tmp_path)
    (tmp_path / "fgvc/CUB_200_2011/val.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_task(CUB, tmp_path)


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    write_fgvc(tmp_path)
    with pytest.raises(DataError, match=r"train\.json: has 3 classes; cub200 200"):
        read_task(small_task("fgvc", "cub200", 200), tmp_path)


def write_class_folders(folder: Path, count: int = 10) -> None:
    for offset, name in enumerate(["cat", "dog"]):
        for number in range(count):
            write_image(folder / name / f"{number}.png", 100 * offset + number)


def test_every_format_counts_in_class_folders(tmp_path: Path) -> None:
    names = ["0.gif", "1.pbm", "2.PNM", "3.webp", "4.tif", "5.bmp"]
    for place in [f"{split}/cat" for split in ("train", "val", "test")]:
        (tmp_path / place).mkdir(parents=True)
        for name in [*names, "notes.txt"]:
            (tmp_path / place / name).touch()
    splits = list_custom(tmp_path).splits
    assert splits["val"].names == [f"val/cat/{name}" for name in names]


def test_a_folder_without_splits_is_divided_once(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "pets" / "train")
    task = custom_task(tmp_path / "pets")
    assert (task.name, task.num_classes) == ("pets", 2)
    splits = read_task(task, tmp_path / "pets").splits
    assert [len(split) for split in splits.values()] == [12, 4, 4]
    assert [split.labels.sum() for split in splits.values()] == [6, 2, 2]
    table = pd.read_csv(tmp_path / "pets" / SPLIT_FILE)
    table.loc[0, "split"] = "test" if table.loc[0, "split"] != "test" else "val"
    table.to_csv(tmp_path / "pets" / SPLIT_FILE, index=False)
    moved = read_task(task, tmp_path / "pets").splits  # what is written down holds
    assert table.loc[0, "path"] in moved[table.loc[0, "split"]].names


def test_new_images_beside_a_written_split_are_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    task = custom_task(tmp_path)
    write_image(tmp_path / "cat" / "new.png", 7)
    with pytest.raises(DataError, match=rf"{SPLIT_FILE}: lacks cat/new\.png; delete the file"):
        read_task(task, tmp_path)


def test_three_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_class_folders(tmp_path / split, count=2)
    splits = read_task(custom_task(tmp_path), tmp_path).splits
    assert pairs(splits["val"]) == [
        ("valid/cat/0.png", 0),
        ("valid/cat/1.png", 0),
        ("valid/dog/0.png", 1),
        ("valid/dog/1.png", 1),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_read(tmp_path: Path, suffix: str) -> None:
    rows = [(f"{n}.png", [10, 9, 2][n % 3], ["train", "val", "test"][n // 3]) for n in range(9)]
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    path = tmp_path / f"mine{suffix}"
    table.to_csv(path) if suffix == ".csv" else table.to_parquet(path)
    listing = read_task(custom_task(path), path)
    assert listing.classes == ["2", "9", "10"]
    assert pairs(listing.splits["test"]) == [("6.png", 2), ("7.png", 1), ("8.png", 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,1\n", r"mine\.csv: no column split; expected path, label, split"),
        ("path,label,split\na.png,1,dev\n", r"mine\.csv: split 'dev'; expected train, val, test"),
        ("path,label,split\na.png,,train\n", r"mine\.csv: row 1 lacks a value"),
        ("path,label,split\na.png,1,train\nb.png,2,val\n", r"class 2 of val does not occur in tr"),
        (
            "path,label,split\na.png,1,train\n",
            r"mine\.csv: class 1 has fewer than 5 images",
        ),
        ("path,label,split\na.png,1,test\n", r"mine\.csv: has test, but no train"),
        ("path,label,split\n../a.png,1,train\n", r"'\.\./a\.png' is no path inside"),
        ("", r"mine\.csv: cannot be read"),
    ],
)
def test_malformed_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        custom_task(path)


def test_a_small_parquet_file_of_too_many_rows_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int32)), ["x"])
    with pq.ParquetWriter(path, pa.schema([("path", same.type)])) as file:
        for _ in range(20):
            file.write_table(pa.table({"path": same}))
        file.write_table(pa.table({"path": same[:1]}))
    assert path.stat().st_size < 100_000
    with pytest.raises(
        DataError, match=r"mine\.parquet: cannot be read \(20,000,001 rows; at most"
    ):
        custom_task(path)


@pytest.mark.parametrize("as_dictionary", [True, False])
def test_a_small_parquet_file_of_much_text_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_dictionary: bool
) -> None:
    path = tmp_path / "mine.parquet"
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000, np.int32)), ["x" * 10_000])
    column = same if as_dictionary else same.dictionary_decode()
    pq.write_table(pa.table(dict.fromkeys(["path", "label", "split"], column)), path)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("sa2vp.data.readers.base.tables.MAX_GIB", 0.05)  # of the 0.06 that it takes
    with pytest.raises(DataError, match=r"path, label, split take more than 0\.05 GiB") as refused:
        custom_task(path)
    assert len(str(refused.value)) < 300
    monkeypatch.setattr("sa2vp.data.readers.base.tables.MAX_GIB", 0.06)
    with pytest.raises(DataError, match=r"split 'xx*; expected train") as refused:
        custom_task(path)
    assert len(str(refused.value)) < 300


def test_only_the_columns_of_a_parquet_table_that_are_used_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    rows = [(f"{split}.png", 3, split, b"\0" * 1000) for split in SPLITS]
    table = pd.DataFrame(rows, columns=["path", "label", "split", "pixels"])
    pq.write_table(pa.Table.from_pandas(table), path, compression="none", use_dictionary=False)
    content = path.read_bytes()
    start = content.index(b"\0" * 1000)
    path.write_bytes(content[: start - 4] + b"\xff" * 1004 + content[start + 1000 :])
    with pytest.raises((OSError, pa.ArrowInvalid)):
        pq.read_table(path)
    assert list_custom(path).classes == ["3"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["path", "label", "split", "path"], "a column is there twice; it has path, label, split"),
        (["label", "split"], "no column path"),
        ([], "no column path"),
    ],
)
def test_a_parquet_table_of_other_columns_is_refused(
    tmp_path: Path, columns: list[str], told: str
) -> None:
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table([["train"]] * len(columns), names=columns), path)
    with pytest.raises(DataError, match=rf"mine\.parquet: .*{told}") as refused:
        custom_task(path)
    assert "\n" not in str(refused.value)


def test_values_of_another_kind_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    nested = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({"path": ["a.png"], "label": nested, "split": ["train"]}), path)
    with pytest.raises(DataError, match=r"mine\.parquet: ") as refused:
        custom_task(path)
    assert "\n" not in str(refused.value)


def test_the_tasks_of_fgvc_in_hta_are_found_in_its_folder(tmp_path: Path) -> None:
    write_fgvc(tmp_path)
    listing = read_task(small_task("hta", "cub200"), tmp_path)
    assert listing.folder == tmp_path / "fgvc" / "CUB_200_2011"


def test_a_class_may_be_called_na_and_numbers_keep_their_zeros(tmp_path: Path) -> None:
    rows = [
        f"{n}.png,{label},{split}"
        for n, (label, split) in enumerate(product(["NA", "007"], SPLITS))
    ]
    (tmp_path / "mine.csv").write_text("\n".join(["path,label,split", *rows]))
    listing = read_task(custom_task(tmp_path / "mine.csv"), tmp_path / "mine.csv")
    assert listing.classes == ["007", "NA"]
