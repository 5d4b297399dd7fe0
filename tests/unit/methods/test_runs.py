"""Every method, and one of a user's own, through a run."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from kinds import OWN
from pydantic import Field
from runs import examples
from tiny import make_tiny_backbone
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from sa2vp.data.images.normalise import Normalise
from sa2vp.data.run_images import TaskImages
from sa2vp.methods import METHODS, Method, MethodSource
from sa2vp.models.learned import LearnedArrays
from sa2vp.models.suitability import Backbone
from sa2vp.training.configuration import RunConfiguration
from sa2vp.training.features import FeatureKeeper
from sa2vp.training.generators import seed_everything
from sa2vp.training.run import TrainingRun

VALUES = {"lr": 1e-2, "batch_size": 8}


class Hooked(LearnedArrays):
    """A head on a backbone of its own, and a vector that is added to what each block gives."""

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone).requires_grad_(False)
        self.head = nn.Linear(backbone.num_features, num_classes)
        self.shift = nn.Parameter(torch.zeros(len(backbone.blocks), backbone.num_features))
        for number, block in enumerate(self.backbone.blocks):
            block.register_forward_hook(lambda _, __, out, n=number: out + self.shift[n])

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.forward_features(images)[:, 0])


class Own(Method):
    """By hooks on timm's blocks, and with an optimiser of its own."""

    name: ClassVar[str] = "own"
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum.")

    def build(self, backbone: Backbone, num_classes: int) -> LearnedArrays:
        return Hooked(backbone, num_classes)

    def build_optimizer(self, model: LearnedArrays, *, lr: float, weight_decay: float) -> Optimizer:
        learned = [p for p in model.parameters() if p.requires_grad]
        return SGD(learned, lr=lr, momentum=self.momentum, weight_decay=weight_decay)


KINDS = [*METHODS.values(), Own]


def run_of(method: type[Method], backbone: Backbone | None = None, seed: int = 5) -> TrainingRun:
    values = {**OWN.get(method.name, {}), **VALUES}
    configuration = RunConfiguration.of(method, values, epochs=3, seed=seed)
    seed_everything(seed)
    return TrainingRun(
        configuration.method.build(backbone or make_tiny_backbone(), num_classes=4),
        configuration,
        train=examples(35, seed=1),
        val=examples(20, seed=2),
        prepare=Normalise((16, 16)),
        device=torch.device("cpu"),
    )


@pytest.mark.parametrize("method", KINDS)
def test_a_run_that_is_stopped_goes_on_bit_for_bit(method: type[Method], tmp_path: Path) -> None:
    whole = [(m.train_loss, m.val_loss) for m in run_of(method)]
    first = run_of(method)
    begun = [first.run_epoch() for _ in range(2)]
    first.save(tmp_path)
    again = run_of(method)
    again.restore(tmp_path)
    rest = [again.run_epoch()]
    assert [(m.train_loss, m.val_loss) for m in (*begun, *rest)] == whole


@pytest.mark.parametrize("method", KINDS)
def test_the_shared_backbone_is_never_changed(method: type[Method]) -> None:
    backbone = make_tiny_backbone()
    images = torch.randn(2, 3, 16, 16)
    before = backbone.forward_features(images)
    run_of(method, backbone).run_epoch()
    assert torch.equal(backbone.forward_features(images), before)


def test_what_one_s_own_learns_is_counted_without_the_head() -> None:
    assert run_of(Own).model.count_learned() == 6 * 24


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.reads_features])
def test_kept_features_give_the_run_that_images_do(method: type[Method]) -> None:
    on_images = run_of(method)
    seed_everything(5)
    probe = on_images.configuration.method.build(make_tiny_backbone(), 4)
    keeper = FeatureKeeper(probe, Normalise((16, 16)), torch.device("cpu"), "float32")
    images = TaskImages(train=examples(35, seed=1), val=examples(20, seed=2), test=None)
    kept = keeper.keep(images)
    (two,) = kept.train.load([torch.arange(2)])
    assert two.shape == (2, 24)
    on_features = TrainingRun(
        probe,
        on_images.configuration,
        train=kept.train,
        val=kept.val,
        prepare=keeper.prepare,
        device=torch.device("cpu"),
    )
    generators = torch.get_rng_state()
    expected = [*on_images]
    torch.set_rng_state(generators)  # dropout draws alike
    for one, other in zip(expected, on_features, strict=True):
        assert other.train_loss == pytest.approx(one.train_loss, rel=1e-4)
        assert other.val_top1 == one.val_top1


def test_the_method_of_the_guide_can_be_searched(tmp_path: Path) -> None:
    guide = Path(__file__).parents[3] / "docs" / "methods.md"
    code = re.search(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    file = tmp_path / "mine.py"
    file.write_text(code[1])
    method = MethodSource.of(f"{file}:Mine").load()
    space = method.default_space("demo", "digits", "demo")
    for number, configuration in enumerate(space.initial):
        run = RunConfiguration.of(method, configuration, epochs=1, seed=number)
        model = run.method.build(make_tiny_backbone(), 10)
        assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
        assert model.count_learned() == 24 * 32 + 32
