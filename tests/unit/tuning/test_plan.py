"""Options that cannot be followed are refused with their name and what is allowed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import search_spaces
from sa2vp.options import OptionError
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.planning import make_plan
from search_spaces import Choice, LogUniform, TaskSpace


def test_the_suite_fills_in_its_defaults() -> None:
    plan = make_plan(suite="demo")
    assert plan.tasks == ("digits", "location", "orientation")
    assert (plan.config.backbone, plan.config.trials, plan.config.seeds) == ("demo", 12, 3)


def test_tasks_keep_the_order_of_the_suite() -> None:
    plan = make_plan(suite="demo", tasks="orientation, digits")
    assert plan.tasks == ("digits", "orientation")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"suite": "imagenet"},
            r"^--suite: unknown suite 'imagenet'; known: demo, fgvc, vtab-1k, hta, custom$",
        ),
        ({"tasks": "digits,cub"}, r"^--tasks: unknown task 'cub' .*known: digits, location, or"),
        ({"tasks": ""}, r"^--tasks: unknown task ''"),
        ({"backbone": "vit-b61"}, r"^--backbone: unknown backbone 'vit-b61'; known: demo, vit-b16"),
        (
            {"backbone": "resnet18"},
            r"^--backbone: resnet18 is a ResNet, ",
        ),
        ({"checkpoint": Path("none.npz")}, r"^--checkpoint: no such file: none\.npz$"),
        ({"checkpoint": Path(__file__)}, r"^--checkpoint: the demo backbone comes with its"),
        (
            {"checkpoint": Path(__file__), "backbone": "vit-b16"},
            r"^--checkpoint: .*expected a file ending in \.npz",
        ),
        ({"data_dir": Path("none")}, r"^--data-dir: no such folder: none$"),
        ({"data_dir": Path()}, r"^--data-dir: suite demo brings its own images"),
        ({"trials": 0}, r"^--trials: must be 1 or more, got 0$"),
        ({"epochs": -1}, r"^--epochs: must be 1 or more, got -1$"),
        ({"seeds": 0}, r"^--seeds: must be 1 or more, got 0$"),
        ({"seed": -1}, r"^--seed: must be 0 or more, got -1$"),
        ({"cpus_per_trial": 0.0}, r"^--cpus-per-trial: must be above 0, got 0\.0$"),
        ({"cpus_per_trial": float("inf")}, r"^--cpus-per-trial: must be a finite number, got inf$"),
        ({"workers_per_trial": 0}, r"^--workers-per-trial: must be 1 or more, got 0$"),
        (
            {"workers_per_trial": 21},
            r"^--workers-per-trial: 21 workers cannot share a batch of 20 images, .* at most 20$",
        ),
        (
            {"workers_per_trial": 2, "gpus_per_trial": 0.5},
            r"^--gpus-per-trial: is each worker's .* a whole GPU or none, not 0.5$",
        ),
        ({"fusion": "fast"}, r"^--fusion: unknown fusion 'fast'; known: exact, acc$"),
        ({"image_size": 33}, r"^--image-size: demo at image size 33: .* 4x4 patches tile .*33x33"),
        ({"image_size": 0}, r"^--image-size: must be 1 or more, got 0$"),
        ({"precision": "int8"}, r"^--precision: unknown precision 'int8'; known: auto, float32, b"),
        (
            {"precision": "float16", "gpus_per_trial": 0.0},
            r"^--precision: float16 needs a GPU, and the trials have none; take bfloat16",
        ),
        ({"gpus_per_trial": float("nan")}, r"^--gpus-per-trial: must be a finite number, got nan$"),
        ({"trials": 1_000_001}, r"^--trials: must be 1,000,000 or less, got 1000001$"),
        ({"seeds": 10**10}, r"^--seeds: must be 1,000,000 or less, got 10000000000$"),
        ({"epochs": 10**20}, r"^--epochs: must be 1,000,000 or less"),
        ({"confirm": 10**7}, r"^--confirm: must be 1,000,000 or less"),
        ({"confirm_seeds": 10**7}, r"^--confirm-seeds: must be 1,000,000 or less"),
        ({"grace_epochs": 10**7}, r"^--grace-epochs: must be 1,000,000 or less"),
        ({"seed": 10**30}, r"^--seed: must be 1,000,000,000 or less"),
        ({"reduction_factor": 1e308}, r"^--reduction-factor: must be 1,000,000 or less"),
        ({"image_size": 4097}, r"^--image-size: must be 4,096 or less, got 4097$"),
        ({"cpus_per_trial": 1e308}, r"^--cpus-per-trial: must be 10,000 or less, got 1e\+308$"),
        ({"gpus_per_trial": 1e308}, r"^--gpus-per-trial: must be 10,000 or less"),
        ({"workers_per_trial": 10**5}, r"^--workers-per-trial: must be 10,000 or less"),
        # With 2 epochs of grace, trials may end after 2 and 6 of 8; a third bracket stops none.
        ({"brackets": 4}, r"^--brackets: must be 3 or less, got 4: of 8 epochs, with 2 of grace"),
        ({"brackets": 3000}, r"^--brackets: must be 3 or less, got 3000"),
        ({"results": "~nosuchuser/x"}, r"^--results: Could not determine home directory"),
        ({"cache_dir": Path("x" * 300)}, r"^--cache-dir: File name too long$"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_plan(**({"suite": "demo"} | options))


def test_as_many_brackets_as_begin_apart_are_planned() -> None:
    assert make_plan(suite="demo", brackets=3).config.brackets == 3
    assert make_plan(suite="demo", epochs=1).config.brackets == 1


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for name in ("data_dir", "cache_dir", "checkpoint"):
        with pytest.raises(OptionError, match=rf"^--{name.replace('_', '-')}: "):
            make_plan(suite="custom", **{name: circle})
    with pytest.raises(OptionError, match=r"^--results: "):
        make_plan(suite="demo", results=str(circle / "x"))


def test_a_file_without_the_backbones_weights_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, something=np.zeros(3))
    with pytest.raises(OptionError, match=r"^--checkpoint: .*foreign\.npz: not the weights of vit"):
        make_plan(suite="demo", backbone="vit-b16", checkpoint=foreign)


@pytest.mark.parametrize(
    ("task", "nearest"),
    [
        ("digits", "svhn"),
        ("location", "dsprites_location"),
        ("orientation", "dsprites_orientation"),
    ],
)
def test_the_demo_starts_from_the_readme_setting_of_the_nearest_task(
    task: str, nearest: str
) -> None:
    table = Path(search_spaces.__file__).with_name("readme_hyperparameters.csv")
    with table.open() as file:
        rows = {(r["benchmark"], r["backbone"], r["task"]): r for r in csv.DictReader(file)}
    row = rows["vtab-1k", "vit_b16", nearest]
    first = search_spaces.SPACES["demo"][task].initial[0]
    assert first["inter_dim"] == int(row["inter_dim"])
    assert first["inter_weight"] == float(row["inter_weight"])
    assert first["lr"] == float(row["lr"])
    assert str(first["batch_size"]) in row["batch_size"].split("|")


def test_an_initial_configuration_outside_is_refused() -> None:
    ranges = {"lr": LogUniform(1e-4, 1e-2)}
    with pytest.raises(ValueError, match=r"lr=0\.1, outside"):
        TaskSpace(ranges, ({"lr": 0.1},))
    with pytest.raises(ValueError, match="0 < low < high"):
        LogUniform(0.0, 1.0)
    with pytest.raises(ValueError, match="different values"):
        Choice(8, 8)


def test_translation_keeps_bounds_and_values() -> None:
    translated = for_optuna({"lr": LogUniform(1e-4, 1e-2), "inter_dim": Choice(8, 16)})
    assert (translated["lr"].low, translated["lr"].high, translated["lr"].log) == (1e-4, 1e-2, True)
    assert translated["inter_dim"].choices == (8, 16)
