"""A model of every method comes back from its exported file, and predicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from kinds import OWN
from PIL import Image

from sa2vp.methods import METHODS
from sa2vp.models import load_backbone
from sa2vp.models.fingerprint import fingerprint
from sa2vp.use.card import Card
from sa2vp.use.export import Export
from sa2vp.use.model import load_exported


@pytest.mark.parametrize("name", METHODS)
def test_an_exported_model_predicts_as_before(
    name: str, tmp_path: Path, sa2vp: Callable[..., int]
) -> None:
    backbone = load_backbone("demo")
    values = {**OWN.get(name, {}), "lr": 0.01, "batch_size": 20}
    if name == "sidetune":
        values["side_weights"] = "a-file-of-another-machine.pth"  # which prediction does not need
    card = Card(
        run_id=f"demo-digits-{name}-final-seed1", suite="demo", task="digits", num_classes=10,
        method=name, hyperparameters=values, epochs_planned=2, seed=1, last_val_top1=90.0,
        test_top1=91.0, backbone="demo", backbone_fingerprint=fingerprint(backbone), image_size=32,
        transform="resize", data_fingerprint="f00d", versions={"torch": "2"}, commit=None,
    )  # fmt: skip
    method = card.configuration.method
    model = method.build(backbone, 10)
    with torch.no_grad():
        for array in model.parameters():
            if array.requires_grad:
                array.add_(0.1 * torch.randn_like(array))
    path, table = tmp_path / "model.safetensors", tmp_path / "predicted.csv"
    Export(card, model.trainable_state_dict(), name).save(path)
    images = torch.rand(2, 3, 32, 32)
    found, expected = load_exported(path), model.eval()
    assert torch.equal(method.logits(found(images)), method.logits(expected(images)))
    Image.new("RGB", (32, 32), "red").save(tmp_path / "a.png")
    assert sa2vp("predict", tmp_path, "--model", path, "--out", table) == 0
    assert pd.read_csv(table)["path"].to_list() == ["a.png"] * 5
