"""Recipes: what is read from them, and what is refused before anything starts."""

from pathlib import Path

import pytest

import run_search
from sa2vp.cli.commands import run
from sa2vp.options import OptionError
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.recipe import read_recipe

TEXT = """
suite = "demo"
task = "digits"
backbone = "demo"
backbone_fingerprint = "0123"
data_fingerprint = "4567"
method = "sa2vp"
precision = "float32"
image_size = 32
epochs_planned = 4
searched = ["inter_dim", "inter_weight", "lr", "batch_size"]

[hyperparameters]
fusion = "exact"
dropout = 0.0
weight_decay = 0.0002
label_smoothing = 0.1
inter_dim = 8
inter_weight = 0.5
lr = 0.005
batch_size = 20

[test_top1]
3 = 91.25
1 = 90.5
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "digits.toml"
    path.write_text(TEXT)
    return path


def test_the_plan_is_what_the_recipe_says(recipe: Path) -> None:
    plan = make_plan(recipe=recipe)
    assert (plan.config.suite, plan.tasks, plan.config.trials, plan.config.epochs) == (
        "demo",
        ("digits",),
        0,
        4,
    )
    assert (plan.final_seeds, plan.config.seeds) == ((1, 3), 2)
    fixed = {"weight_decay": 0.0002, "dropout": 0.0, "label_smoothing": 0.1, "min_lr": 1e-7}
    assert plan.fixed.items() >= fixed.items()
    assert plan.config.precision == "float32"
    configuration = {"inter_dim": 8, "inter_weight": 0.5, "lr": 0.005, "batch_size": 20}
    assert plan.recipe is not None
    assert plan.recipe.configuration == plan.space("digits").initial[0] == configuration
    assert plan.recipe.test_top1 == {1: 90.5, 3: 91.25}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lr = 0.005\n", "", r"digits\.toml: searched: 'lr' is none of the hyperparameters"),
        ("lr = 0.005", "lr = -1", r"digits\.toml: lr must be greater than 0, got -1"),
        (
            "lr = 0.005",
            "lr = 0.005\nmomentum = 1",
            r"unknown 'momentum'; known: inter_dim, ",
        ),
        ("1 = 90.5", "one = 90.5", r"test_top1\.one"),
        ("1 = 90.5", "1 = 190.5", r"test_top1\.1: Input should be less than or equal to 100"),
        ("lr = 0.005", "lr = inf", r"lr must be a finite number, got inf"),
        ("lr = 0.005", f"lr = {'9' * 400}", r"lr must be a valid number, got 9{60}$"),
        ("lr = 0.005", f"lr = {'9' * 5000}", r"digits\.toml: Exceeds the limit"),
        ("lr = 0.005", f"lr = 0x{'f' * 5000}", r"lr must be .*, got this int"),
        ("lr = 0.005", "lr = " + "[" * 2000 + "]" * 2000, r"digits\.toml: nested too deeply"),
        ("lr = 0.005", f"lr{'.a' * 2000} = 1", r"lr must be a valid number, got this dict"),
        ("3 = 91.25", "-3 = 91.25", r"test_top1\.-3.*greater than or equal to 0"),
        ("3 = 91.25", f"{'3' * 30} = 91.25", r"test_top1\.3+.*less than or equal to 1000000000"),
        ("3 = 91.25", "3 = nan", r"test_top1\.3: Input should be a finite number"),
        ("image_size = 32", "image_size = 1_000_000", r"image_size: .* less than or equal to 4096"),
        (
            "inter_dim = 8",
            "inter_dim = 1_000_000",
            r"inter_dim must be less than or equal to 1",
        ),
        ("batch_size = 20", "batch_size = 10_000_000", r"batch_size must be less than or equal to"),
        ("suite =", "suite", r"digits\.toml: .*line 2"),
    ],
)
def test_a_malformed_recipe_is_named_with_its_key(
    recipe: Path, old: str, new: str, message: str
) -> None:
    recipe.write_text(TEXT.replace(old, new))
    with pytest.raises(OptionError, match=message):
        read_recipe(recipe)


@pytest.mark.parametrize("task", ["digits,location", " digits", ""])
def test_a_recipe_is_of_one_task(recipe: Path, task: str) -> None:
    recipe.write_text(TEXT.replace('"digits"', f'"{task}"'))
    with pytest.raises(OptionError, match=r"^--(recipe|tasks): "):
        make_plan(recipe=recipe)


def test_other_data_and_other_weights_are_refused(recipe: Path) -> None:
    found = read_recipe(recipe)
    found.check_data("4567")
    found.check_backbone("0123")
    with pytest.raises(
        OptionError, match=r"digits is not the recipe's: .* 89, the recipe has 4567"
    ):
        found.check_data("89")
    with pytest.raises(OptionError, match=r"--checkpoint: .* 89, the recipe has 0123"):
        found.check_backbone("89")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--recipe: the data of digits is not the recipe's"),
        (["--trials", "3"], "--trials: the recipe decides it; leave it out"),
        (["--image-size", "32"], "--image-size: the recipe decides it; leave it out"),
    ],
)
def test_the_command_refuses_in_one_line(
    recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    options = ["--recipe", str(recipe), "--results", str(tmp_path / "r"), *arguments]
    assert run(run_search.app, "run_search.py", options) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert message in told
    assert not (tmp_path / "r" / "runs").exists()
