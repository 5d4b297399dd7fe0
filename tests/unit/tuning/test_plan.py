"""Options that cannot be followed are refused with their name and what is allowed."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import search_spaces
from sa2vp.options import OptionError
from sa2vp.tuning.distributions import for_optuna
from sa2vp.tuning.planning import make_plan
from search_spaces import Choice, LogUniform, TaskSpace, Uniform


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
        (
            {"fusion": "fast"},
            r"^--fusion: must be 'exact' or 'acc', got fast$",
        ),
        ({"method": "nobody"}, r"^--method: unknown method 'nobody'; known: sa2vp"),
        (
            {"weight_deca": 0.1},
            r"^weight_deca: is no option$",
        ),
        ({"grad_clip": 0}, r"^--grad-clip: must be above 0, got 0$"),
        ({"label_smoothing": 1.0}, r"^--label-smoothing: must be below 1, got 1\.0$"),
        ({"dropout": True}, r"^--dropout: must be below 1, got True$"),
        (
            {"warmup_epochs": 8},
            r"^--warmup-epochs: .*must be below the 8 epochs of the run, got 8$",
        ),
        # The lowest learning rate of the demo's space is 5e-4.
        ({"min_lr": 1e-3}, r"^--min-lr: .*must not exceed lr 0\.0005, got 0\.001$"),
        (
            {"image_loss_weight": 0, "prompt_loss_weight": 0},
            r"^--image-loss-weight: .*one of image_loss_weight and prompt_loss_weight must be",
        ),
        ({"lr": 1e-3}, r"^--lr: the space of digits searches lr; leave it out$"),
        ({"drop_path": 0.1}, r"^--drop-path: .*SA2VP on a ViT has no stochastic de"),
        ({"image_size": 33}, r"^--image-size: demo at image size 33: .* 4x4 patches tile .*33x33"),
        ({"image_size": 0}, r"^--image-size: must be 1 or more, got 0$"),
        (
            {"precision": "int8"},
            r"^--precision: unknown precision 'int8'; known: auto, float32, tf32, b",
        ),
        (
            {"precision": "float16", "gpus_per_trial": 0.0},
            r"^--precision: float16 needs a GPU, and the trials have none; take bfloat16",
        ),
        ({"gpus_per_trial": float("nan")}, r"^--gpus-per-trial: must be a finite number, got nan$"),
        ({"trials": 1_000_001}, r"^--trials: must be 1,000,000 or less, got 1000001$"),
        ({"seeds": 10**10}, r"^--seeds: must be 1,000,000 or less, got 10000000000$"),
        ({"epochs": 10**20}, r"^--epochs: must be 1,000,000 or less"),
        ({"confirm": 10**7}, r"^--confirm: must be 1,000,000 or less"),
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


def space_file(folder: Path, extra: str, initial: str = "") -> Path:
    """Write a space of digits with one hyperparameter more."""
    path = folder / "mine.toml"
    path.write_text(
        f"""
[digits]
inter_dim = [8]
inter_weight = [0.5]
lr = {{ low = 1e-3, high = 1e-2 }}
batch_size = [20]
{extra}
initial = {{ inter_dim = 8, inter_weight = 0.5, lr = 1e-3, batch_size = 20{initial} }}
"""
    )
    return path


def test_a_training_option_is_searched_by_naming_it(tmp_path: Path) -> None:
    spaces = space_file(
        tmp_path, "weight_decay = { low = 1e-5, high = 1e-1, log = true }", ", weight_decay = 1e-3"
    )
    plan = make_plan(suite="demo", tasks="digits", spaces=spaces)
    assert plan.space("digits").ranges["weight_decay"] == LogUniform(1e-5, 1e-1)
    assert {run.training.weight_decay for run in plan.corner_runs("digits")} == {1e-5, 1e-1}
    with pytest.raises(OptionError, match=r"^--weight-decay: the space of digits searches weight"):
        make_plan(suite="demo", tasks="digits", spaces=spaces, weight_decay=0.1)


@pytest.mark.parametrize(
    ("extra", "initial", "message"),
    [
        (
            "weight_dekay = [0.1]",
            ", weight_dekay = 0.1",
            r"^--spaces: .*toml:7: unknown 'weight_dekay'; did you mean weight_decay\? know",
        ),
        ("dropout = [0.5, 1.5]", ", dropout = 0.5", r"mine\.toml:7: dropout must be less than 1"),
        ("fusion = ['exact', 'fast']", ", fusion = 'exact'", r"mine\.toml:7: fusion must be 'exac"),
        (
            "drop_path = [0.1]",
            ", drop_path = 0.1",
            r"^--spaces: the space of digits: drop_path: S",
        ),
        (
            "warmup_epochs = { low = 0, high = 8, log = false }",
            ", warmup_epochs = 1",
            r"^--spaces: the space of digits: warmup_epochs must be below the 8 epochs",
        ),
    ],
)
def test_a_searched_option_is_checked_before_any_trial(
    tmp_path: Path, extra: str, initial: str, message: str
) -> None:
    spaces = space_file(tmp_path, extra, initial)
    with pytest.raises(OptionError, match=message):
        make_plan(suite="demo", tasks="digits", spaces=spaces)


def test_a_space_without_what_the_method_needs_is_refused(tmp_path: Path) -> None:
    spaces = space_file(tmp_path, "")
    text = spaces.read_text().replace("inter_weight = [0.5]\n", "")
    spaces.write_text(text.replace("inter_weight = 0.5, ", ""))
    with pytest.raises(OptionError, match=r"^--spaces: the space of digits: lacks inter_weight$"):
        make_plan(suite="demo", tasks="digits", spaces=spaces)
    plan = make_plan(suite="demo", tasks="digits", spaces=spaces, inter_weight="2")
    assert plan.fixed["inter_weight"] == 2.0


def test_the_defaults_are_the_published_ones_but_for_the_demos_dropout() -> None:
    published = {
        "weight_decay": 1e-4, "min_lr": 1e-7, "warmup_epochs": None, "label_smoothing": 0.0,
        "grad_clip": None, "fusion": "exact", "drop_path": None, "image_loss_weight": 0.8,
        "prompt_loss_weight": 0.2,
    }  # fmt: skip
    demo = make_plan(suite="demo")
    assert demo.fixed == published | {"dropout": 0.0}
    assert replace(
        demo, config=demo.config.model_copy(update={"backbone": "vit-b16"})
    ).fixed == published | {"dropout": 0.1}
    assert make_plan(suite="demo", dropout=0.3).fixed["dropout"] == 0.3


def test_translation_keeps_a_linear_scale_and_names() -> None:
    translated = for_optuna({"dropout": Uniform(0.0, 0.5), "fusion": Choice("exact", "acc")})
    assert (translated["dropout"].low, translated["dropout"].log) == (0.0, False)
    assert translated["fusion"].choices == ("exact", "acc")
