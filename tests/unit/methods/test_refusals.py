"""What a method is not defined on, or lacks, is said in one line before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from kinds import configured
from tiny import make_tiny_backbone, make_tiny_swin
from torchvision.models import alexnet

from sa2vp.data.errors import DataError
from sa2vp.hyperparameters import HyperparameterError
from sa2vp.options import OptionError
from sa2vp.suites import TASKS
from sa2vp.training.build import build_run
from sa2vp.tuning.planning import make_plan

DIGITS = next(task for task in TASKS if task.name == "digits")


@pytest.mark.parametrize("name", ["adapter", "adapter-vpt", "adaptformer", "lora"])
def test_a_swin_is_refused_where_no_paper_defines_the_method(name: str) -> None:
    with pytest.raises(HyperparameterError, match=f"^method {name} is defined on a ViT, not on a"):
        configured(name).method.check_backbone(make_tiny_swin())
    configured(name).method.check_backbone(make_tiny_backbone())


def test_a_bottleneck_of_repadapter_is_in_two_groups() -> None:
    method = configured("repadapter", bottleneck=3).method
    with pytest.raises(HyperparameterError, match=r"^bottleneck must be a multiple of 2"):
        method.check_backbone(make_tiny_backbone())


def test_sidetune_needs_a_file_before_a_search_begins(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"nothing")
    for path, message in {
        None: r"--method: .*give torchvision's alexnet-owt-7be5be79\.pth as side_weights, or 'rand",
        "none.pth": r"--side-weights: .*none\.pth: not torchvision's AlexNet \(FileNotFoundError\)",
        "other.pth": r"--side-weights: .*other\.pth: not torchvision's AlexNet \(",
    }.items():
        given = {} if path is None else {"side_weights": str(tmp_path / path)}
        with pytest.raises(OptionError, match=f"^{message}"):
            make_plan(suite="demo", method="sidetune", results=str(tmp_path), **given)


def test_sidetune_begins_from_the_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = alexnet(weights=None)
    path = tmp_path / "alexnet.pth"
    torch.save(published.state_dict(), path)
    run = build_run(
        DIGITS,
        make_tiny_backbone(),
        configured("sidetune", side_weights=str(path)),
        final=False,
    )
    own = run.model.trainable_state_dict()
    for name, array in published.features.state_dict().items():
        assert torch.equal(own[f"side.{name}"], array)


def test_a_worker_without_the_file_fails_with_its_name() -> None:
    run = configured("sidetune", side_weights="elsewhere.pth")
    with pytest.raises(DataError, match=r"^side_weights: elsewhere\.pth: not torchvision's AlexN"):
        build_run(DIGITS, make_tiny_backbone(), run, final=False)
