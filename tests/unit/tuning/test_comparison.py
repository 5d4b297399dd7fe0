"""Several methods under one command: which are searched, and what is refused before any is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sa2vp.methods import METHODS
from sa2vp.options import OptionError
from sa2vp.tuning.planning import make_plans


def named(**options: object) -> list[str]:
    found = make_plans(**({"suite": "demo"} | options))
    return [plan.method.name for plan in found.plans]


def test_a_list_is_searched_in_its_order_with_the_same_options() -> None:
    found = make_plans(suite="demo", method="lora, linear", trials=3, seed=5, budget="40ep")
    assert [plan.method.name for plan in found.plans] == ["lora", "linear"]
    values = [plan.config.values() | {"method": ""} for plan in found.plans]
    assert values[0] == values[1]
    assert not found.left_out


def test_all_are_those_that_can_be_searched_and_the_others_are_told() -> None:
    found = make_plans(suite="demo", method="all")
    assert [plan.method.name for plan in found.plans] == [n for n in METHODS if n != "sidetune"]
    (line,) = found.left_out
    assert line.startswith("left out: sidetune: ")
    assert "AlexNet" in line
    assert named(method="all", side_weights="random") == list(METHODS)


def test_an_option_of_one_method_is_that_method_s() -> None:
    found = make_plans(suite="demo", method="sa2vp,linear", fusion="acc")
    assert [plan.fixed.get("fusion") for plan in found.plans] == ["acc", None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "linear,lorra"}, r"^--method: unknown method 'lorra' \(did you mean lora\?\)"),
        ({"method": "linear,lora,linear"}, "^--method: linear is named more than once"),
        ({"method": "linear,"}, "^--method: unknown method ''"),
        ({"method": "linear,lora", "inter_dim": 8}, "^--inter-dim: no method of linear,lora has"),
        ({"method": "linear,sidetune"}, "^--method: .*AlexNet"),
    ],
)
def test_refusals(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_plans(suite="demo", **options)


def test_a_space_of_one_method_s_hyperparameter_is_refused(tmp_path: Path) -> None:
    spaces = tmp_path / "mine.toml"
    spaces.write_text(
        '["*"]\nrank = [1, 8]\nlr = { low = 1e-3, high = 1e-2 }\nbatch_size = [20]\n'
        "initial = { rank = 8, lr = 5e-3, batch_size = 20 }\n"
    )
    with pytest.raises(OptionError, match=r"^--spaces: .*rank"):
        make_plans(suite="demo", method="lora,linear", spaces=spaces)
