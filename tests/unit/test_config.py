"""An option is one field: command line, identity, recipes and refusals follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from sa2vp import config
from sa2vp.cli.commands import command_of, run
from sa2vp.config import DECIDED, OPTIONS, SearchConfig
from sa2vp.options import Option, OptionError, Role, checked, declared
from sa2vp.tuning.planning import make_plan


class OneMore(SearchConfig):
    """With an option more."""

    warm_restarts: Annotated[
        int, Field(ge=0, le=9), Option("Restarts of the schedule.", "Test", Role.IDENTITY, "N")
    ] = 2


def test_a_field_is_an_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    given = []

    def follow(**typed: str) -> int:
        given.append(checked(OneMore, typed))
        return 0

    app = command_of("search", OneMore, follow, "Search.")
    assert run(app, "search", ["--suite", "demo", "--warm-restarts", "7"]) == 0
    assert run(app, "search", ["--suite", "demo"]) == 0
    assert [one.warm_restarts for one in given] == [7, 2]
    for typed, told in (
        ("x", "must be a whole number, got x"),
        ("2.5", "must be a whole number, got 2.5"),
        ("-1", "must be 0 or more, got -1"),
        ("10", "must be 9 or less, got 10"),
    ):
        assert run(app, "search", ["--suite", "demo", "--warm-restarts", typed]) == 2
        assert capsys.readouterr().err == f"search: --warm-restarts: {told}\n"
    assert run(app, "search", ["--help"]) == 0
    shown = capsys.readouterr().out
    assert "--warm-restarts N" in shown
    assert "Restarts of the schedule. [default: 2]" in shown


def test_a_field_of_that_role_is_part_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "OPTIONS", declared(OneMore))
    before = checked(SearchConfig, {"suite": "demo"}).identity()
    assert checked(OneMore, {"suite": "demo"}).identity() == {**before, "warm_restarts": 2}


def test_the_identity_is_names_of_fields_and_plain_values() -> None:
    found = checked(SearchConfig, {"suite": "demo", "precision": "float32", "epochs": "12"})
    assert found.identity() == {
        "backbone": "demo", "method": "sa2vp", "epochs": 12, "seed": 0, "grace_epochs": 3,
        "reduction_factor": 3, "brackets": 1, "precision": "float32", "sampler": "tpe",
        "scheduler": "asha",
    }  # fmt: skip


def test_a_recipe_decides_what_runs_reach_and_how_many_there_are() -> None:
    named = {
        "suite", "tasks", "backbone", "method", "image_size", "precision", "spaces", "trials",
        "epochs", "seeds", "seed", "grace_epochs", "reduction_factor", "brackets", "confirm",
        "sampler", "scheduler",
    }  # fmt: skip
    assert named < DECIDED
    assert {"lr", "weight_decay", "dropout", "fusion", "inter_dim"} < DECIDED - named
    assert not DECIDED & {"checkpoint", "data_dir", "results", "cpus_per_trial", "dry_run"}


def test_suite_and_backbone_decide_defaults() -> None:
    published = checked(SearchConfig, {"suite": "fgvc"})
    assert (published.backbone, published.epochs, published.grace_epochs) == ("vit-b16", 100, 20)
    assert make_plan(suite="demo").fixed["dropout"] == 0.0
    assert make_plan(suite="demo", dropout="0.2").fixed["dropout"] == 0.2


def test_hyperparameters_of_methods_and_training_are_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = []

    def follow(**typed: str) -> int:
        given.append(checked(SearchConfig, typed).hyperparameters)
        return 0

    app = command_of("search", SearchConfig, follow, "Search.")
    typed = ["--weight-decay", "1e-3", "--inter-dim", "16", "--fusion", "acc"]
    assert run(app, "search", ["--suite", "demo", *typed]) == 0
    assert given == [{"weight_decay": 1e-3, "inter_dim": 16, "fusion": "acc"}]
    assert run(app, "search", ["--suite", "demo", "--inter-dim", "1.5"]) == 2
    assert "--inter-dim: must be a whole number, got 1.5" in capsys.readouterr().err


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^epoch: is no option$"):
        checked(SearchConfig, {"suite": "demo", "epoch": 3})


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_help_is_one_line(name: str) -> None:
    assert OPTIONS[name].option.help.endswith(".")
    assert "\n" not in OPTIONS[name].option.help


def test_a_circle_of_links_is_told_by_the_option(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for name in ("checkpoint", "data_dir", "cache_dir", "results"):
        with pytest.raises(OptionError, match=rf"^--{name.replace('_', '-')}: "):
            checked(SearchConfig, {"suite": "demo", name: str(circle / "x")})
