"""What the doctor says of this machine, on models small enough for a test; GPUs are not needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_backbone
from torch import Tensor

from sa2vp.cli.main import make_sa2vp
from sa2vp.doctor import agreement, checks, models, speed
from sa2vp.doctor.checks import follow, list_checks
from sa2vp.doctor.models import Published
from sa2vp.doctor.process import ProcessError, in_new_processes
from sa2vp.doctor.report import Line, as_markdown, first_wrong, judged
from sa2vp.options import OptionError

CPU = torch.device("cpu")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Published:
    """Put one small ViT in the place of the published models."""
    monkeypatch.setattr(models.timm, "create_model", lambda *_, **__: make_tiny_backbone())

    def batch(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        images = torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        return images.to(device), (torch.arange(count) % 10).to(device)

    one = Published("tiny", "tiny", "exact")
    for module in (agreement, speed):
        monkeypatch.setattr(module, "batch", batch)
        monkeypatch.setattr(module, "MODELS", (one,))
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    return one


def test_the_models_agree_with_the_plain_algorithm(tiny: Published) -> None:
    lines = list(agreement.compare_models(CPU, images=2))
    assert [line.what for line in lines] == [f"{tiny.name}, float32", f"{tiny.name}, bfloat16"]
    assert [line.state for line in lines] == ["ok", "ok"]


@pytest.mark.usefixtures("tiny")
def test_a_model_that_disagrees_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "sa2vp_loss", sneaking(models.sa2vp_loss))
    assert {line.state for line in agreement.compare_models(CPU, images=2)} == {"wrong"}


def sneaking(loss: Any) -> Any:
    """Change the loss by a tenth from its second computation on."""
    calls: list[int] = []

    def changed(*given: Any) -> Tensor:
        calls.append(1)
        found: Tensor = loss(*given) * (1.0 if len(calls) == 1 else 1.1)
        return found

    return changed


def test_a_loss_scale_that_overflows_is_no_disagreement(tiny: Published) -> None:
    plain = agreement._loss_and_gradients(tiny, CPU, "float32", 2, plain=True)
    scaled = agreement._loss_and_gradients(tiny, CPU, "float16", 2)
    assert agreement._compared("tiny", "float16", plain, scaled).state == "ok"


def test_dropout_keeps_its_share() -> None:
    (line,) = agreement.compare_dropout(CPU)
    assert (line.state, line.found) == ("ok", "90.0 % are kept")


@pytest.mark.usefixtures("tiny")
def test_steps_profiles_input_and_evaluation_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "matrix_rate", lambda *_: 1e12)
    monkeypatch.setattr(speed, "bandwidth", lambda _: 1e9)
    lines = list(speed.time_steps(CPU, (2, 4), (2,)))
    assert [line.what for line in lines[:3]] == [
        "matrix products, float32", "matrix products, bfloat16", "bandwidth",
    ]  # fmt: skip
    assert [line.found for line in lines[:3]] == ["1.00 TFLOP/s", "1.00 TFLOP/s", "1 GB/s"]
    steps = [line.found for line in lines[3:]]
    assert len(steps) == 4
    assert ["plain" in found for found in steps] == [True, False, True, False]
    (profiled,) = speed.profile_step(CPU, 2)
    assert "matrix products" in profiled.found
    assert len(list(speed.time_evaluation(CPU, 2))) == 1


def test_a_batch_that_does_not_fit_is_skipped(
    tiny: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(speed, "seconds_of", exhausted)
    line = speed._step(speed.Step(tiny, tiny.make(CPU), "float32", 2), CPU, 1.0, with_plain=False)
    assert (line.state, line.found) == ("skipped", "does not fit the memory")


def test_a_check_that_fails_is_wrong_and_the_next_goes_on() -> None:
    def broken() -> Iterator[Line]:
        yield Line("a", "first", "1")
        raise RuntimeError("two\nlines")

    said: list[str] = []
    lines = list(follow([("a", broken), ("b", lambda: [Line("b", "next", "2")])], said.append))
    assert said == ["a", "b"]
    assert [line.found for line in lines] == ["1", "RuntimeError: two lines", "2"]
    assert first_wrong(lines) == lines[1]
    assert first_wrong(lines[2:]) is None


def test_a_process_that_fails_says_why() -> None:
    assert in_new_processes(abs, [(-2,), (-3,)]) == [2, 3]
    with pytest.raises(ProcessError, match=r"^TypeError: bad operand"):
        in_new_processes(abs, [("x",)])


def test_the_command_ends_with_the_first_thing_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [judged("a", "one", "1", good=True), judged("b", "an | other", "2", good=False)]
    monkeypatch.setattr("sa2vp.cli.work.doctor.list_checks", lambda **_: [("a", lambda: found)])
    assert make_sa2vp()(["doctor", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "wrong: b: an | other: 2"
    written = json.loads((tmp_path / "out" / "doctor.json").read_text())
    assert [line["state"] for line in written] == ["ok", "wrong"]
    assert (tmp_path / "out" / "doctor.md").read_text().splitlines()[-1] == (
        r"| b | an \| other | 2 | wrong |"
    )
    found.pop()
    assert make_sa2vp()(["doctor"]) == 0
    assert as_markdown(found).count("\n") == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_without_a_gpu_none_is_looked_at() -> None:
    with pytest.raises(OptionError, match=r"^--gpu: PyTorch finds no GPU here$"):
        make_sa2vp()(["doctor", "--gpu"])
    names = [name for name, _ in list_checks(gpu=False)]
    assert "memory" not in names
    assert set(names) < {name for name, _ in list_checks(gpu=True)}


def test_ray_is_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    (line,) = checks.look_at_ray()
    assert line.state == "skipped"
