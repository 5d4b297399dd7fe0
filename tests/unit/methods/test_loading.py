"""A method is found by its name or in a user's file, and refused in one line where it is none."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from tiny import make_tiny_backbone

from sa2vp.methods import METHODS, MethodError, MethodSource
from sa2vp.options import OptionError
from sa2vp.tuning.planning import make_plan

OWN = """
from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from sa2vp.methods import Method
from sa2vp.models.learned import LearnedArrays
from search_spaces import Choice, TaskSpace


class Scaled(LearnedArrays):
    def __init__(self, backbone, num_classes, rank):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.low = nn.Linear(backbone.num_features, rank)
        self.head = nn.Linear(rank, num_classes)

    def forward(self, images):
        return self.head(self.low(self.backbone.forward_features(images)[:, 0]))


class LowRank(Method):
    name: ClassVar[str] = "low_rank"
    rank: int = Field(4, ge=1, description="Of the projection.")

    @classmethod
    def default_space(cls, suite, task, backbone):
        ranges = {"rank": Choice(2, 4), "lr": Choice(1e-2), "batch_size": Choice(20)}
        return TaskSpace(ranges, ({"rank": 2, "lr": 1e-2, "batch_size": 20},))

    def build(self, backbone, num_classes):
        return Scaled(backbone, num_classes, self.rank)


class Abstract(Method):
    name: ClassVar[str] = "abstract"


class Taken(LowRank):
    name: ClassVar[str] = "linear"


class Hyphen(LowRank):
    name: ClassVar[str] = "low-rank"


NOT_A_METHOD = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


def test_a_method_of_a_file_comes_back_from_its_content_alone(own: Path) -> None:
    source = MethodSource.of(f"{own}:LowRank")
    own.unlink()  # as on another machine
    method = MethodSource(**asdict(source)).load().of({"rank": 3})
    model = method.build(make_tiny_backbone(), 5)
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 5)
    assert {*model.trainable_state_dict()} == {
        "low.weight", "low.bias", "head.weight", "head.bias",
    }  # fmt: skip
    assert source.identity.startswith("LowRank ")


def test_another_content_is_another_method(own: Path) -> None:
    first = MethodSource.of(f"{own}:LowRank")
    own.write_text(OWN + "\n")
    assert MethodSource.of(f"{own}:LowRank").identity != first.identity


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Lowrank", r"mine\.py: 'Lowrank' is no method; methods there: LowRank, Abstract, Taken,"),
        ("NOT_A_METHOD", r"mine\.py: 'NOT_A_METHOD' is no method"),
        ("Abstract", r"mine\.py: Abstract lacks build$"),
        ("Taken", r"mine\.py: Taken\.name is 'linear', which names another$"),
        (
            "Hyphen",
            r"mine\.py: Hyphen\.name must be of small letters, digits and _, got 'low-",
        ),
    ],
)
def test_what_is_no_method_is_refused(own: Path, name: str, message: str) -> None:
    with pytest.raises(OptionError, match=f"^--method: .*{message}"):
        make_plan(suite="demo", method=f"{own}:{name}")


def test_a_file_that_is_not_there_or_does_not_run_is_refused(own: Path) -> None:
    with pytest.raises(MethodError, match=r"none\.py: No such file or directory$"):
        MethodSource.of("none.py:Method")
    own.write_text("import nowhere_to_be_found\n\n1 / 0")
    with pytest.raises(MethodError, match=r"mine\.py: ModuleNotFoundError: No module named 'now"):
        MethodSource.of(f"{own}:LowRank").load()
    own.write_text("def broken(:\n")
    with pytest.raises(MethodError, match=r"mine\.py: SyntaxError: ") as refused:
        MethodSource.of(f"{own}:LowRank").load()
    assert "\n" not in str(refused.value)


def test_an_own_method_is_planned_with_its_own_space_and_hyperparameters(own: Path) -> None:
    plan = make_plan(suite="demo", tasks="digits", method=f"{own}:LowRank")
    assert plan.search_name == "demo-low_rank"
    assert {run.method.by_name["rank"] for run in plan.corner_runs("digits")} == {2, 4}
    assert "dropout" not in plan.fixed
    with pytest.raises(OptionError, match=r"^--dropout: method low_rank: unknown 'dropout'; known"):
        make_plan(suite="demo", method=f"{own}:LowRank", dropout=0.1)


def test_every_method_of_the_project_has_a_name_help_and_options() -> None:
    assert [*METHODS][:2] == ["sa2vp", "linear"]
    for name, method in METHODS.items():
        assert method.name == name
        assert all(field.description for field in method.model_fields.values())


def test_a_hyperparameter_of_one_name_is_the_same_in_every_method() -> None:
    found: dict[str, list[str]] = {}
    for method in METHODS.values():
        for name, field in method.model_fields.items():
            found.setdefault(name, []).append(repr(field))
    assert all(len(set(fields)) == 1 for fields in found.values())


def test_the_guide_has_every_method_with_its_hyperparameters() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "methods.md").read_text(encoding="utf-8")
    listed, searched = guide.split("## What is searched", 1)
    for name, method in METHODS.items():
        assert f"| `{name}` |" in listed
        if name != "sa2vp":
            assert f"`{name}`" in searched
            space = method.default_space("vtab-1k", "svhn", "vit-b16").ranges
            own = space.keys() - {"lr", "batch_size", "weight_decay"}
            assert all(f"`{hyperparameter}`" in searched for hyperparameter in own)
