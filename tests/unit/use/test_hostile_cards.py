"""Exported files of others: refused in one line, or shown as text; never a traceback."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import TEXTS, controls
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from sa2vp.models import create_sa2vp, load_backbone
from sa2vp.models.fingerprint import fingerprint
from sa2vp.text import printable
from sa2vp.use.card import CARD_KEY

Command = Callable[..., int]
VALUES = {
    "inter_dim": 8, "inter_weight": 0.5, "lr": 0.01, "batch_size": 20, "weight_decay": 1e-4,
    "dropout": 0.0, "fusion": "exact",
}  # fmt: skip


@pytest.fixture(scope="module")
def arrays() -> dict[str, Tensor]:
    return create_sa2vp("demo", num_classes=10, inter_dim=8).trainable_state_dict()


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return {
        "schema_version": 1, "run_id": "demo-digits-final-seed1", "suite": "demo",
        "task": "digits", "num_classes": 10, "class_names": None, "method": "sa2vp",
        "hyperparameters": VALUES, "epochs_planned": 2, "seed": 1,
        "last_val_top1": 90.0, "test_top1": 91.0, "backbone": "demo",
        "backbone_fingerprint": fingerprint(load_backbone("demo")), "image_size": 32,
        "transform": "resize", "data_fingerprint": "f00d", "versions": {"torch": "2"},
        "commit": None,
    }  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    return folder


Refused = Callable[[Path], str]


@pytest.fixture
def refused(sa2vp: Command, images: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Predict with a file; gives the one line that refuses it."""

    def refuse(path: Path) -> str:
        assert sa2vp("predict", images, "--model", path, "--out", path.with_name("p.csv")) == 2
        printed = capsys.readouterr()
        assert printed.err.count("\n") == 1
        assert printed.err.startswith(f"sa2vp: {path}")
        assert not path.with_name("p.csv").exists()
        return printed.err

    return refuse


def test_the_file_that_these_tests_change_is_good(
    sa2vp: Command, images: Path, tmp_path: Path, arrays: dict[str, Tensor], card: dict[str, Any]
) -> None:
    path = tmp_path / "m.safetensors"
    save_file(arrays, path, {CARD_KEY: json.dumps(card)})
    assert sa2vp("predict", images, "--model", path, "--out", tmp_path / "p.csv") == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_classes": 10**12}, "num_classes: Input should be less than or equal to 1000000"),
        (
            {"num_classes": 1_000_000},
            "head.bias has shape (10,), expected (1000000,)",
        ),
        ({"num_classes": 0}, "num_classes: Input should be greater than or equal to 1"),
        ({"num_classes": 2, "class_names": ["a"]}, "2 classes, 1 names"),
        ({"class_names": [1] * 10}, "class_names"),
        ({"class_names": {"a": 1}}, "class_names"),
        (
            {"hyperparameters": VALUES | {"inter_dim": 10_000}},
            "its card does not fit its arrays",
        ),
        ({"hyperparameters": VALUES | {"inter_dim": 10**30}}, "inter_dim must be less"),
        (
            {"hyperparameters": VALUES | {"inter_weight": float("inf")}},
            "inter_weight must",
        ),
        ({"hyperparameters": VALUES | {"dropout": 1.0}}, "dropout must be less than 1"),
        (
            {"hyperparameters": VALUES | {"fusion": "fast"}},
            "fusion must be 'exact' or 'acc'",
        ),
        ({"hyperparameters": VALUES | {"rank": 4}}, "unknown 'rank'; known: inter_dim"),
        ({"method": "nothing"}, "unknown method 'nothing'; known: sa2vp"),
        ({"hyperparameters": []}, "hyperparameters"),
        ({"image_size": 10**6}, "image_size: Input should be less than or equal to 4096"),
        ({"transform": "blur"}, "transform"),
        ({"test_top1": float("nan")}, "test_top1"),
        ({"schema_version": "9" * 10_000}, "its card has schema version 99999999999999999999,"),
        ({"schema_version": None}, "its card has schema version None"),
        ({"versions": ["torch"]}, "versions"),
        ({"backbone_fingerprint": "0"}, "was trained on backbone demo with fingerprint 0"),
    ],
)
def test_cards(
    refused: Refused,
    tmp_path: Path,
    arrays: dict[str, Tensor],
    card: dict[str, Any],
    changes: dict[str, Any],
    told: str,
) -> None:
    path = tmp_path / "m.safetensors"
    save_file(arrays, path, {CARD_KEY: json.dumps(card | changes)})
    assert told in refused(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "1",
        "{",
        "[" * 100_000,
        '{"schema_version": 1}',
        '{"schema_version": ' + "9" * 5000 + "}",
    ],
)
def test_texts_that_are_no_card(
    refused: Refused, tmp_path: Path, arrays: dict[str, Tensor], text: str
) -> None:
    path = tmp_path / "m.safetensors"
    save_file(arrays, path, {CARD_KEY: text})
    assert "its card is damaged" in refused(path)


HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"\xff\xfe{}",
        struct.pack("<Q", len(HEADER)) + HEADER,
        struct.pack("<Q", 50_000) + b"[" * 50_000,
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 30) + b'{"__metadata__":{"a":"b"}}    ',
    ],
)
def test_headers(refused: Refused, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    told = refused(path)
    assert "not a whole safetensors file" in told or "no model of this project" in told


def test_arrays_that_are_not_the_card_s(
    refused: Refused, tmp_path: Path, arrays: dict[str, Tensor], card: dict[str, Any]
) -> None:
    path = tmp_path / "m.safetensors"
    fewer = {name: array for name, array in arrays.items() if name != "head.bias"}
    for others in (fewer, arrays | {"x\x1b": arrays["head.bias"].clone()}):
        save_file(others, path, {CARD_KEY: json.dumps(card)})
        told = refused(path)
        assert "its card does not fit its arrays" in told
        assert not controls(told)


def test_a_card_is_shown_as_text(
    sa2vp: Command,
    tmp_path: Path,
    arrays: dict[str, Tensor],
    card: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = [text for text in TEXTS if "\udcff" not in text]
    names = {"num_classes": len(texts), "class_names": texts, "task": texts[2]}
    path = tmp_path / "m.safetensors"
    save_file(arrays, path, {CARD_KEY: json.dumps(card | names)})
    assert sa2vp("card", path) == 0
    shown = capsys.readouterr().out
    assert not controls(shown)
    for text in texts:  # which cells may wrap
        assert "".join(printable(text).split()) in "".join(shown.split())
