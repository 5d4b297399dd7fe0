"""The examples of docs/extending.md do what is said there."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from tiny import make_tiny_backbone

from sa2vp.methods import MethodSource
from sa2vp.tuning.planning import make_plan

ROOT = Path(__file__).parents[2]


def example(heading: str, language: str) -> str:
    """Take the code that stands below a heading."""
    text = (ROOT / "docs/extending.md").read_text()
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_hyperparameter_is_searched_once_a_space_names_it(tmp_path: Path) -> None:
    path = tmp_path / "spaces.toml"
    path.write_text(example("Search another hyperparameter", "toml"))
    plan = make_plan(suite="demo", tasks="digits", spaces=path, results=str(tmp_path))
    space = plan.space("digits")
    assert (space.ranges["weight_decay"].low, space.ranges["weight_decay"].high) == (1e-5, 1e-1)
    assert space.ranges["warmup_epochs"].values == (0, 1)
    assert space.initial[0]["weight_decay"] == 1e-4


@pytest.mark.parametrize(("blocks", "learned"), [(1, 1), (2, 2)])
def test_a_method_in_a_file_of_one_s_own(tmp_path: Path, blocks: int, learned: int) -> None:
    path = tmp_path / "mine.py"
    path.write_text(example("Add a method", "python"))
    plan = make_plan(suite="demo", method=f"{path}:BiasOnly", results=str(tmp_path))
    assert plan.space("digits").initial[0]["blocks"] == 2
    source = MethodSource(**asdict(MethodSource.of(f"{path}:BiasOnly")))
    method = source.load().of({"blocks": blocks})
    backbone = make_tiny_backbone()
    before = {name: array.clone() for name, array in backbone.state_dict().items()}
    model = method.build(backbone, 5)
    optimizer = method.build_optimizer(model, lr=0.1, weight_decay=0.0)
    images = torch.rand(
        3, *backbone.patch_embed.proj.weight.shape[1:2], *backbone.patch_embed.img_size
    )
    method.loss(model(images), torch.tensor([0, 1, 4])).backward()
    optimizer.step()
    trained = {name for name, array in model.named_parameters() if array.requires_grad}
    of_blocks = {name.split(".")[2] for name in trained if name.startswith("backbone.blocks.")}
    assert len(of_blocks) == learned
    assert all(name.endswith("bias") for name in trained if name.startswith("backbone."))
    assert all(torch.equal(before[name], array) for name, array in backbone.state_dict().items())


def test_a_dataset_is_a_task_of_its_suite() -> None:
    names: dict[str, object] = {}
    exec(example("Add a dataset", "python"), names)  # noqa: S102 - our own documentation
    task = names["suite"].tasks[-1]  # type: ignore[attr-defined]
    assert (task.name, task.suite, task.group) == ("leaves", "vtab-1k", "natural")
    assert task.format == "vtab_lists"
    assert task.final_splits == ("train", "val")
