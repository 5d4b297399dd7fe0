"""Splits that one's own data lack: drawn once, by class and seeded, and written down."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from sa2vp.data.errors import DataError
from sa2vp.data.readers.base import SPLITS
from sa2vp.data.readers.base.splits import HELD_OUT, SEED, check_name
from sa2vp.data.readers.base.tables import read_frame
from sa2vp.files import write_file

FEWEST = 5
"""Images of a class that a fifth can be drawn from."""

UNDIVIDED = ""
"""The split of images that are in none yet."""


def complete(images: pd.DataFrame, where: Path, file: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Draw the splits that are missing, or read which were drawn before.

    The test split has to be one that no trial sees. So where train and val are given, val becomes
    test, and another val is drawn from train, as it is where train and test are given: a fifth of
    each class that has five images. Where train alone is given, or no split, 60 % of each class
    stay, and 20 % become val, 20 % test. Final runs train on train and val together, so that they
    have all images that the user meant for training.

    Args:
        images: text columns ``path``, ``label`` and ``split``; the latter may be missing.
        where: what they were listed from, for messages.
        file: where a split that is drawn is written down. What it says is used from then on.

    Returns:
        The images, all divided, and what the user should know of that.

    Raises:
        DataError: too few images to draw from, or the file is of other images.
    """
    if "split" not in images:
        images = images.assign(split=UNDIVIDED)
    given = set(images["split"])
    if not given <= {*SPLITS, UNDIVIDED} or given.issuperset(SPLITS):
        return images, ()  # unknown splits are refused where the listing is made
    if given not in ({UNDIVIDED}, {"train"}, {"train", "test"}, {"train", "val"}):
        raise DataError(f"{where}: has {' and '.join(sorted(given))}, but no train")
    _check_listed(images, where)
    held_out = given & {"val", "test"}
    if held_out:
        images = images.replace({"split": {"val": "test"}})
        how = f"val is {HELD_OUT:.0%} of each class of train"
        if "val" in held_out:
            how = f"the val that was given is the test split, which no trial sees; {how}"
    else:
        images = images.assign(split=UNDIVIDED)
        how = "train, val and test are 60, 20 and 20 % of each class"
    if not file.exists():
        _write(_with_val(images, where) if held_out else _in_three(images, where), file)
    drawn = read_frame(file)
    _check_same(images, drawn, file)
    return drawn, (f"{how}, drawn with seed {SEED} and written to {file}",)


def _check_listed(images: pd.DataFrame, where: Path) -> None:
    """Refuse what no split can be drawn from: paths that lead away, or are there twice."""
    for name in images["path"]:
        check_name(name, str(where))
    twice = images["path"][images["path"].duplicated()]
    if len(twice):
        raise DataError(f"{where}: lists {twice.iloc[0]} twice")
    trained = set(images["label"][images["split"].isin(["train", UNDIVIDED])])
    for label, split in zip(images["label"], images["split"], strict=True):
        if label not in trained:
            raise DataError(f"{where}: class {label} of {split} does not occur in train")


def _in_three(images: pd.DataFrame, where: Path) -> pd.DataFrame:
    counts = images["label"].value_counts()
    if counts.min() < FEWEST:
        few = sorted(counts.index[counts < FEWEST])[0]
        raise DataError(
            f"{where}: class {few} has fewer than {FEWEST} images; give train, val and test"
        )
    train, held_out = _divide(images, 2 * HELD_OUT)
    val, test = _divide(held_out, 0.5)
    return pd.concat(
        [part.assign(split=split) for split, part in zip(SPLITS, (train, val, test), strict=True)]
    )


def _with_val(images: pd.DataFrame, where: Path) -> pd.DataFrame:
    """Draw val from train; classes of few images stay there whole."""
    train = images[images["split"] == "train"]
    counts = train["label"].map(train["label"].value_counts())
    enough = train[counts >= FEWEST]
    if enough.empty:
        raise DataError(
            f"{where}: no class of train has {FEWEST} images to draw val from; "
            "give train, val and test"
        )
    _, val = _divide(enough, HELD_OUT)
    return images.assign(split=images["split"].mask(images.index.isin(val.index), "val"))


def _divide(images: pd.DataFrame, share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold out a share of each class."""
    ordered = images.sort_values("path")  # whichever way they were listed
    kept, held_out = train_test_split(
        ordered, test_size=share, stratify=ordered["label"], random_state=SEED
    )
    return kept, held_out


def _write(images: pd.DataFrame, file: Path) -> None:
    # Names may hold line breaks.
    content = images.sort_values("path").to_csv(index=False, quoting=csv.QUOTE_ALL)
    try:
        write_file(file, content.encode())
    except OSError as error:
        raise DataError(
            f"{file}: cannot be written ({error.strerror}); give a table of path, label and split"
        ) from error


def _check_same(images: pd.DataFrame, drawn: pd.DataFrame, file: Path) -> None:
    """Refuse a written split of other images, labels or test images than are given now."""
    there, noted = (dict(zip(of["path"], of["label"], strict=True)) for of in (images, drawn))
    if there != noted:
        name = min(name for name in there | noted if there.get(name) != noted.get(name))
        told = f"has another label of {name}"
        if name not in noted:
            told = f"lacks {name}"
        elif name not in there:
            told = f"lists the missing {name}"
        raise DataError(f"{file}: {told}; delete the file to split anew")
    given, kept = (set(of["path"][of["split"] == "test"]) for of in (images, drawn))
    if given and given != kept:
        name = min(given ^ kept)
        told = "has not" if name in given else "has"
        raise DataError(f"{file}: {told} {name} in test; delete the file to split anew")
