"""One's own data in the layouts that people have."""

from __future__ import annotations

import json
import pickle
import stat
import tarfile
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_datasets import write_image

from sa2vp.data.check import check_task
from sa2vp.data.custom import custom_task, list_custom
from sa2vp.data.errors import DataError
from sa2vp.data.options import DataOptions
from sa2vp.data.readers.base import Listing


def write_classes(folder: Path, cats: int = 10, dogs: int = 10) -> None:
    """Write images of two classes; no two have the same content."""
    for label, count in (("cat", cats), ("dog", dogs)):
        for number in range(count):
            seed = sum(map(ord, f"{folder.name}/{label}")) * 100 + number
            write_image(folder / label / f"{number}.png", seed)


def counts(listing: Listing) -> dict[str, dict[str, int]]:
    return {
        split: dict(Counter(listing.classes[label] for label in images.labels.tolist()))
        for split, images in listing.splits.items()
    }


def refusal_of(data: Path) -> str:
    with pytest.raises(DataError) as refused:
        custom_task(data)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "TEST")])
def test_val_is_drawn_from_train_where_train_and_test_are_given(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    data = tmp_path / "pets"
    write_classes(data / names[0], cats=20, dogs=10)
    write_classes(data / names[1], cats=3, dogs=2)
    listing = list_custom(data)
    assert counts(listing) == {
        "train": {"cat": 16, "dog": 8},
        "val": {"cat": 4, "dog": 2},
        "test": {"cat": 3, "dog": 2},
    }
    assert all(name.startswith(f"{names[0]}/") for name in listing.names(("train", "val")))
    assert all(name.startswith(f"{names[1]}/") for name in listing.names(("test",)))
    file = data / "sa2vp-split.csv"
    assert listing.remarks == (
        f"val is 20% of each class of train, drawn with seed 0 and written to {file}",
    )


def test_what_was_drawn_is_written_down_and_used_again(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / split)
    first, file = list_custom(tmp_path), tmp_path / "sa2vp-split.csv"
    drawn = file.read_text()
    assert {*list_custom(tmp_path).splits["val"].names} == {*first.splits["val"].names}
    file.unlink()
    list_custom(tmp_path)
    assert file.read_text() == drawn  # it is seeded
    chosen = first.splits["val"].names[0]
    file.write_text(drawn.replace(f'"{chosen}","cat","val"', f'"{chosen}","cat","train"'))
    assert chosen in list_custom(tmp_path).splits["train"].names
    file.write_text(drawn.replace('"test"', '"val"', 1))
    assert refusal_of(tmp_path).endswith(
        "has not test/cat/0.png in test; delete the file to split anew"
    )


def test_a_given_val_becomes_test_where_train_and_val_are_given(tmp_path: Path) -> None:
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "val", cats=4, dogs=3)
    listing = list_custom(tmp_path)
    assert counts(listing) == {
        "train": {"cat": 8, "dog": 8},
        "val": {"cat": 2, "dog": 2},
        "test": {"cat": 4, "dog": 3},
    }
    assert all(name.startswith("val/") for name in listing.splits["test"].names)
    (remark,) = listing.remarks
    assert remark.startswith(
        "the val that was given is the test split, which no trial sees; val is 20% of each class"
    )
    options = DataOptions(data_dir=str(tmp_path), cache_dir=str(tmp_path.with_name("cache")))
    report = check_task(custom_task(tmp_path), options)
    assert (report.problems, report.remarks, report.drawn) == ([], [remark], [remark])


def test_classes_of_few_images_stay_in_train_where_val_is_drawn(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", cats=10, dogs=4)
    write_classes(tmp_path / "test", cats=1, dogs=1)
    assert counts(list_custom(tmp_path))["val"] == {"cat": 2}
    for number in range(4, 10):
        (tmp_path / "train" / "cat" / f"{number}.png").unlink()
    (tmp_path / "sa2vp-split.csv").unlink()
    assert "no class of train has 5 images to draw val from" in refusal_of(tmp_path)


def test_a_fingerprint_covers_the_splits_that_were_drawn(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / split)
    options = DataOptions(data_dir=str(tmp_path), cache_dir=str(tmp_path.with_name("cache")))
    before = check_task(custom_task(tmp_path), options).manifest
    file = tmp_path / "sa2vp-split.csv"
    file.write_text(file.read_text().replace('"val"', '"train"', 1))
    after = check_task(custom_task(tmp_path), options).manifest
    assert before is not None
    assert after is not None
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ("test/a/1.png", "has test, but no train"),
        ("test/a/1.png val/a/1.png", "has test and val, but no train"),
        ("train/a/1.png valid/a/1.png val/a/2.png", "both val and valid are val; keep one of them"),
        ("train/a/1.png test/1.png", "test/1.png is in no class folder; expected test/class/image"),
        ("train/a/1.png test/b/1.png", "class b of test does not occur in train"),
        ("1.png 2.png", "no images in class folders; expected class/image.jpg"),
    ],
)
def test_folders_that_cannot_be_divided_are_refused(tmp_path: Path, files: str, told: str) -> None:
    for seed, name in enumerate(files.split()):
        write_image(tmp_path / name, seed)
    assert told in refusal_of(tmp_path)


def test_folders_that_hold_only_folders_are_no_classes(tmp_path: Path) -> None:
    for digit in range(5):
        for number in range(5):
            write_image(tmp_path / "Dataset" / str(digit) / f"{number}.png", 10 * digit + number)
    for number in range(5):
        write_image(tmp_path / "Examples" / f"{number}.png", number)
    assert refusal_of(tmp_path) == (
        f"{tmp_path}: Dataset holds no images but 5 folders (0, 1, 2, ...), so it is no class; "
        f"give --data-dir {tmp_path / 'Dataset'}, or a table of path, label and split"
    )
    assert counts(list_custom(tmp_path / "Dataset"))["val"] == {str(n): 1 for n in range(5)}


def test_the_folder_that_holds_the_splits_is_proposed(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / "data" / "pets" / split)
    assert f"; give --data-dir {tmp_path / 'data' / 'pets'}, " in refusal_of(tmp_path)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "cat" / "._1.png").write_text("what macOS adds")
    (tmp_path / ".git").mkdir()
    assert counts(list_custom(tmp_path))["train"] == {"cat": 6, "dog": 6}


def write_table(folder: Path, header: str, splits: str = "") -> Path:
    """Write 20 images of two classes, and a table of them; ``splits`` are taken in turn."""
    lines = [header]
    for number in range(20):
        write_image(folder / "images" / f"{number}.png", number)
        ends = [splits.split()[number % len(splits.split())]] if splits else []
        lines.append(",".join([f"images/{number}.png", ("cat", "dog")[number // 10], *ends]))
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


def test_the_columns_of_a_table_may_be_named(tmp_path: Path) -> None:
    table = write_table(tmp_path, "file,species,part", "Training TEST valid train train")
    listing = list_custom(table, ("file", "species", "part"))
    assert counts(listing) == {
        "train": {"cat": 6, "dog": 6},
        "val": {"cat": 2, "dog": 2},
        "test": {"cat": 2, "dog": 2},
    }
    assert listing.splits["test"].names == [f"images/{n}.png" for n in (1, 6, 11, 16)]
    assert listing.remarks == ()


def test_a_table_without_splits_is_divided_where_its_columns_are_named(tmp_path: Path) -> None:
    table = write_table(tmp_path, "file,species")
    columns = ("file", "species", "")
    listing = list_custom(table, columns)
    assert [*map(len, listing.splits.values())] == [12, 4, 4]
    assert (tmp_path / "labels-split.csv").exists()
    options = DataOptions(data_dir=str(table), cache_dir=str(tmp_path / "cache"))
    report = check_task(custom_task(table, columns), options)
    assert (report.problems, report.classes) == ([], ["cat", "dog"])
    content = table.read_text()
    table.write_text(content.replace("images/3.png,cat", "images/3.png,dog"))
    with pytest.raises(DataError, match=r"labels-split\.csv: has another label of images/3\.png"):
        list_custom(table, columns)


def test_a_split_column_that_is_there_is_used_unnamed(tmp_path: Path) -> None:
    table = write_table(tmp_path, "file,label,split", "train train train val test")
    assert [*map(len, list_custom(table, ("file", "", "")).splits.values())] == [12, 4, 4]


def test_a_table_of_train_and_test_gets_a_val(tmp_path: Path) -> None:
    table = write_table(tmp_path, "path,label,split", "train test")
    assert [*map(len, list_custom(table).splits.values())] == [8, 2, 10]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (("name", "", ""), "no column name; expected name, label; it has file, species"),
        (("file", "species", "fold"), "no column fold; expected file, species, fold; it has file"),
    ],
)
def test_columns_that_a_table_lacks_are_refused(
    tmp_path: Path, columns: tuple[str, ...], told: str
) -> None:
    table = write_table(tmp_path, "file,species")
    with pytest.raises(DataError, match=rf"labels\.csv: {told}"):
        list_custom(table, columns)


def test_no_path_of_a_named_column_leaves_the_folder(tmp_path: Path) -> None:
    table = write_table(tmp_path / "photos", "file,species")
    write_image(tmp_path / "secret.png", 7)
    for path in ("../secret.png", str(tmp_path / "secret.png")):
        table.write_text(table.read_text().replace("images/0.png", path))
        with pytest.raises(DataError, match="is no path inside the dataset's folder"):
            list_custom(table, ("file", "species", ""))
        table.write_text(table.read_text().replace(path, "images/0.png"))
    (tmp_path / "photos" / "images" / "0.png").unlink()
    (tmp_path / "photos" / "images" / "0.png").symlink_to(tmp_path / "secret.png")
    options = DataOptions(data_dir=str(table), cache_dir=str(tmp_path / "cache"))
    (problem,) = check_task(custom_task(table, ("file", "species", "")), options).problems
    assert problem.startswith("images/0.png: outside of the folder")


def test_columns_are_of_tables_alone(tmp_path: Path) -> None:
    write_classes(tmp_path)
    with pytest.raises(DataError, match="columns are named, but it is no table"):
        custom_task(tmp_path, ("file", "", ""))


def pack(folder: Path, kind: str, below: str = "") -> Path:
    """Pack a folder, or a folder that holds it under a name, as ``folder.zip`` or ``.tar``."""
    path = folder.with_suffix(f".{kind}")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, below + file.relative_to(folder).as_posix())
    else:
        with tarfile.open(path, "w") as archive:
            for file in files:
                archive.add(file, below + file.relative_to(folder).as_posix())
    return path


kinds = pytest.mark.parametrize("kind", ["zip", "tar"])


@kinds
@pytest.mark.parametrize("below", ["", "./", "pets/", "a/b/"])
def test_an_archive_is_what_its_folder_is(tmp_path: Path, kind: str, below: str) -> None:
    folder = tmp_path / "pets"
    for split in ("train", "test"):
        write_classes(folder / split)
    archive = pack(folder, kind, below)
    reports = []
    for data in (folder, archive):
        options = DataOptions(data_dir=str(data), cache_dir=str(tmp_path / "cache"))
        task = custom_task(data)
        assert (task.name, task.num_classes) == ("pets", 2)
        reports.append(check_task(task, options))
    assert reports[1].problems == []
    assert reports[1].images == {"train": 16, "val": 4, "test": 20}
    assert reports[1].manifest == reports[0].manifest
    assert archive.with_name(f"pets.{kind}-split.csv").exists()


@kinds
def test_images_of_an_archive_are_read_by_threads_and_by_copies(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "pets"
    write_classes(folder, 20, 20)
    archive = pack(folder, kind)
    source = list_custom(archive).source
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*.png")]
    content = [(folder / name).read_bytes() for name in names]
    for one in (source, pickle.loads(pickle.dumps(source))):  # noqa: S301
        with ThreadPoolExecutor(4) as threads:
            assert [found for found, _ in threads.map(one.read, names * 5)] == content * 5
    with source.open("cat/0.png") as image:
        assert image.size == (16, 12)


@kinds
def test_a_changed_archive_is_noticed(tmp_path: Path, kind: str) -> None:
    write_classes(tmp_path / "pets")
    options = DataOptions(
        data_dir=str(pack(tmp_path / "pets", kind)), cache_dir=str(tmp_path / "cache")
    )
    before = check_task(custom_task(options.data_path), options).manifest
    write_image(tmp_path / "pets" / "cat" / "0.png", 12345)
    pack(tmp_path / "pets", kind)
    after = check_task(custom_task(options.data_path), options).manifest
    assert before is not None
    assert after is not None
    assert before.fingerprint != after.fingerprint


@kinds
@pytest.mark.parametrize("name", ["../out.png", "/out.png", "cat/../../out.png"])
def test_no_path_of_an_archive_leaves_it(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / f"pets.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "")
    else:
        with tarfile.open(path, "w") as archive:
            archive.addfile(tarfile.TarInfo(name))
    assert "is no path inside the dataset's folder" in refusal_of(path)


@kinds
def test_links_in_an_archive_are_not_followed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"pets.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            link = zipfile.ZipInfo("cat/1.png")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
    else:
        with tarfile.open(path, "w") as archive:
            member = tarfile.TarInfo("cat/1.png")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    assert refusal_of(path) == (
        f"{path}: cat/1.png is a link or no file; links in archives are not followed"
    )


def test_archives_that_would_fill_the_memory_or_disk_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"cat/{number}.png", b"\0" * 2**20)
    monkeypatch.setattr("sa2vp.data.readers.archive.RATIO_FROM_MIB", 5)
    assert "its images would unpack to 10 MiB, more than 100 times its size" in refusal_of(path)
    monkeypatch.setattr("sa2vp.data.readers.archive.MAX_MIB", 0.5)
    assert "cat/0.png would unpack to 1,048,576 bytes; at most 0.5 MiB" in refusal_of(path)


@pytest.mark.parametrize("name", ["pets.tar.gz", "pets.tgz", "pets.zip", "pets.tar"])
def test_what_is_no_archive_or_compressed_as_a_whole_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive" * 100)
    told = "compressed as a whole" if "gz" in name else "cannot be read"
    assert told in refusal_of(tmp_path / name)


@kinds
def test_damaged_images_of_an_archive_are_named(tmp_path: Path, kind: str) -> None:
    write_classes(tmp_path / "pets")
    (tmp_path / "pets" / "dog" / "3.png").write_text("no image")
    data = pack(tmp_path / "pets", kind)
    options = DataOptions(data_dir=str(data), cache_dir=str(tmp_path / "cache"))
    (problem,) = check_task(custom_task(data), options).problems
    assert problem.startswith("dog/3.png: ")


def test_an_archive_of_folders_of_folders_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "repo" / "Dataset")
    write_image(tmp_path / "repo" / "Examples" / "1.png", 1)
    assert "; unpack it and give its folder Dataset, or" in refusal_of(
        pack(tmp_path / "repo", "zip")
    )


def write_shard(path: Path, seeds: range, label: str = "label", group: int = 3) -> None:
    """Write images and labels, two classes in turn, as Hugging Face's datasets do."""
    rows = []
    for seed in seeds:
        file = path.parent / "image.png"
        write_image(file, seed)
        rows.append({"image": {"bytes": file.read_bytes(), "path": "x.png"}, label: seed % 2})
        file.unlink()
    features = {
        "image": {"_type": "Image"},
        label: {"names": ["heron", "crane"], "_type": "ClassLabel"},
    }
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows).replace_schema_metadata(noted)
    pq.write_table(table, path, row_group_size=group)


@pytest.mark.parametrize("below", ["", "data"])
def test_parquet_files_that_hold_images_are_read(tmp_path: Path, below: str) -> None:
    data = tmp_path / "birds"
    write_shard(data / below / "train-00000-of-00002.parquet", range(10))
    write_shard(data / below / "train-00001-of-00002.parquet", range(10, 20), group=100)
    write_shard(data / below / "validation-00000-of-00001.parquet", range(20, 24))
    write_shard(data / below / "test-00000-of-00001.parquet", range(24, 28))
    listing = list_custom(data)
    assert counts(listing) == {
        "train": {"heron": 10, "crane": 10},
        "val": {"heron": 2, "crane": 2},
        "test": {"heron": 2, "crane": 2},
    }
    assert listing.classes == ["crane", "heron"]
    for number, split in enumerate(["train"] * 20 + ["val"] * 4 + ["test"] * 4):
        images = listing.splits[split]
        place = number - {"train": 0, "val": 20, "test": 24}[split]
        write_image(tmp_path / "same.png", number)
        content, _ = listing.source.read(images.names[place])
        assert content == (tmp_path / "same.png").read_bytes()
        assert listing.classes[images.labels[place]] == ("heron", "crane")[number % 2]
    options = DataOptions(data_dir=str(data), cache_dir=str(tmp_path / "cache"))
    assert check_task(custom_task(data), options).problems == []
    copied = pickle.loads(pickle.dumps(listing.source))  # noqa: S301
    assert (
        copied.read(listing.splits["val"].names[0])[0]
        == (listing.source.read(listing.splits["val"].names[0])[0])
    )


def test_a_changed_image_of_a_parquet_file_is_noticed(tmp_path: Path) -> None:
    options = DataOptions(data_dir=str(tmp_path / "birds"), cache_dir=str(tmp_path / "cache"))
    prints = []
    for start in (20, 40):
        write_shard(tmp_path / "birds" / "train.parquet", range(20))
        write_shard(tmp_path / "birds" / "test.parquet", range(start, start + 4))
        report = check_task(custom_task(options.data_path), options)
        assert report.images == {"train": 16, "val": 4, "test": 4}
        assert report.manifest is not None
        prints.append(report.manifest.fingerprint)
    assert prints[0] != prints[1]


def test_columns_of_parquet_files_may_be_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "train.parquet", range(10), label="species")
    assert list_custom(tmp_path).classes == ["crane", "heron"]  # the one that has names
    table = pq.read_table(tmp_path / "train.parquet").replace_schema_metadata(None)
    pq.write_table(table.append_column("photo", table["image"]), tmp_path / "train.parquet")
    assert "a column of images; there are: image, photo" in refusal_of(tmp_path)
    with pytest.raises(DataError, match="no column label; name one of image, species, photo"):
        list_custom(tmp_path, ("photo", "", ""))
    (tmp_path / "sa2vp-split.csv").unlink()
    assert list_custom(tmp_path, ("photo", "species", "")).classes == ["0", "1"]


def test_parquet_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "birds" / "a" / "train.parquet", range(10))
    write_shard(tmp_path / "birds" / "b" / "train.parquet", range(10))
    assert f"give one, as --data-dir {tmp_path / 'birds' / 'a'}" in refusal_of(tmp_path / "birds")
    path = tmp_path / "birds" / "a" / "train.parquet"
    path.write_bytes(b"PAR1" + b"x" * 100)
    assert "train.parquet: cannot be read" in refusal_of(path.parent)
    path.unlink()
    path.symlink_to(tmp_path / "birds" / "b" / "train.parquet")
    assert "outside of the folder" in refusal_of(path.parent)


def test_a_row_group_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shard(tmp_path / "train.parquet", range(10), group=10)
    listing = list_custom(tmp_path)
    monkeypatch.setattr("sa2vp.data.readers.parquet_images.GROUP_MIB", 0.001)
    with pytest.raises(OSError, match=r"its row group has more than 0\.001 MiB; write smaller"):
        listing.source.read(listing.splits["train"].names[0])
