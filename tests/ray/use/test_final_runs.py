"""Finding a final run: by validation alone, and only where its checkpoint is still there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from rows import run_row
from safetensors.torch import load_file

from sa2vp.models import load_backbone
from sa2vp.models.fingerprint import fingerprint
from sa2vp.results.schema import RunRow
from sa2vp.results.store import ResultsStore
from sa2vp.use.errors import UseError
from sa2vp.use.export import Export
from sa2vp.use.final_runs import best_final_run, load_final_run, named_final_run

FINAL = "demo-digits-final-seed1"


def final(seed: int, val: float | None, test: float | None = 50.0, **changes: object) -> RunRow:
    values = {"status": "completed", "last_val_top1": val, "test_top1": test} | changes
    return run_row(f"demo-digits-final-seed{seed}", seed=seed, **values)


def test_validation_decides_then_the_seed_and_never_the_test_split() -> None:
    rows = [
        final(1, 80.0, test=99.0),
        final(3, 90.0, test=98.0),
        final(2, 90.0, test=10.0),
        final(4, 95.0, status="running"),
        final(5, 96.0, status="failed"),
        run_row("demo-location-final-seed1", status="completed", last_val_top1=99.0),
        run_row("demo-digits-search-0000", status="completed", last_val_top1=99.0),
        final(9, 99.0, method="linear"),
    ]
    assert best_final_run(rows, "digits").run_id == "demo-digits-final-seed2"


def test_a_run_s_arrays_are_those_of_its_last_checkpoint(
    results: Path, digits_export: Export
) -> None:
    file = results / f"tune/demo-then/{FINAL}/checkpoint_000001/state.safetensors"
    saved = {
        name.removeprefix("learned/"): array
        for name, array in load_file(file).items()
        if name.startswith("learned/")
    }
    assert digits_export.arrays.keys() == saved.keys()
    assert all(torch.equal(digits_export.arrays[name], array) for name, array in saved.items())
    assert digits_export.arrays["head.weight"].shape == (10, 96)


def test_the_card_says_what_the_row_says(results: Path, digits_export: Export) -> None:
    (row,) = (r for r in ResultsStore(str(results)).read_runs() if r.run_id == FINAL)
    card = digits_export.card
    assert row.backbone_fingerprint == fingerprint(load_backbone("demo"))
    for name in ("run_id", "suite", "task", "last_val_top1", "test_top1", "commit", "backbone"):
        assert getattr(card, name) == getattr(row, name)
    for name in ("backbone_fingerprint", "data_fingerprint"):
        assert getattr(card, name) == getattr(row, name)
    # The first configuration of the space, two epochs, the first seed.
    searched = {"inter_dim": 16, "inter_weight": 0.5, "lr": 1e-3, "batch_size": 40}
    fixed = {"dropout": 0.0, "weight_decay": 1e-4, "fusion": "exact", "image_loss_weight": 0.8}
    assert card.hyperparameters.items() >= (searched | fixed).items()
    assert (card.method, card.epochs_planned, card.seed) == ("sa2vp", 2, 1)
    assert card.num_classes == 10
    assert set(card.versions) >= {"sa2vp", "torch", "timm"}


def test_a_uri_finds_the_same_run(results: Path, digits_export: Export) -> None:
    again = load_final_run(results.as_uri(), run_id=FINAL)
    assert again.card == digits_export.card


@pytest.mark.parametrize(
    ("run_id", "told"),
    [
        ("demo-digits-final-seed7", "no run 'demo-digits-final-seed7'; final runs there: demo-"),
        ("demo-digits-search-0000", "a trial of the search"),
        ("demo-digits-linear-final-seed1", "'demo-digits-linear-final-seed1' is failed"),
        ("demo-digits-final-seed2", "'demo-digits-final-seed2' is failed (loss became nan)"),
        ("demo-digits-final-seed3", "'demo-digits-final-seed3' is running, not completed"),
    ],
)
def test_runs_that_cannot_be_used_are_refused(run_id: str, told: str) -> None:
    rows = [
        final(1, 80.0),
        final(2, None, status="failed", reason="loss became nan"),
        final(3, 80.0, status="running"),
        run_row("demo-digits-search-0000", status="completed"),
        run_row("demo-digits-linear-final-seed1", phase="final", method="linear", status="failed"),
    ]
    with pytest.raises(UseError) as refused:
        named_final_run(rows, run_id)
    assert told in str(refused.value)
    assert str(refused.value).startswith("--run: ")


def test_tasks_without_a_run_to_use_are_refused() -> None:
    running = final(1, 80.0, status="running")
    with pytest.raises(UseError, match=r"--task: .*'location'; tasks with final runs: digits$"):
        best_final_run([running], "location")
    with pytest.raises(UseError, match=r"'demo-digits-final-seed1' is running, not completed"):
        best_final_run([running], "digits")
    other = run_row("custom-digits-final-seed1", status="completed")
    with pytest.raises(UseError, match=r"suites custom, demo; choose one with --run"):
        best_final_run([final(1, 80.0), other], "digits")


def test_a_method_s_own_run_is_picked() -> None:
    lora = run_row(
        "demo-digits-lora-final-seed1", phase="final", method="lora", status="completed",
        task="digits",
    )  # fmt: skip
    rows = [final(1, 80.0), lora]
    assert best_final_run(rows, "digits", "lora") is lora
    assert best_final_run(rows, "digits").run_id == "demo-digits-final-seed1"
    with pytest.raises(UseError, match=r"by method bias \(--method: lora, sa2vp\)"):
        best_final_run(rows, "digits", "bias")


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(UseError, match=r"there are no runs in .*nowhere"):
        load_final_run(str(tmp_path / "nowhere"), task="digits")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(UseError, match=r"x\.parquet"):
        load_final_run(str(tmp_path), task="digits")


@pytest.mark.parametrize("lost", ["all", "last", "arrays"])
def test_a_checkpoint_that_is_gone_is_told(results: Path, tmp_path: Path, lost: str) -> None:
    shutil.copytree(results, tmp_path / "results")
    folder = tmp_path / f"results/tune/demo-then/{FINAL}"
    if lost == "arrays":
        (folder / "checkpoint_000001/state.safetensors").write_bytes(b"damaged")
    else:
        shutil.rmtree(folder if lost == "all" else folder / "checkpoint_000001")
    with pytest.raises(UseError, match=f"run '{FINAL}': no checkpoint of its last epoch under"):
        load_final_run(str(tmp_path / "results"), run_id=FINAL)
