"""What a search learns from earlier results, and when it refuses to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from driver import DATA, Driver, options_of
from rows import run_row

from sa2vp.options import OptionError
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.earlier import EarlierTrials, images_of
from sa2vp.tuning.session import open_session
from search_spaces import Choice, LogUniform

LRS = [0.0005 * 1.4**n for n in range(12)]
FORECAST = {"tasks": "digits", "trials": 9, "seeds": 1, "sampler": "forecast"}


def fill(place: Path, best: float = 0.01, **changes: Any) -> None:
    """Record a task on which one learning rate is best, and runs that tell nothing."""
    store = ResultsStore(str(place))
    for number, lr in enumerate(LRS):
        top1 = round(200 * 0.9 / (1 + 4 * math.log10(lr / best) ** 2)) / 2
        row = run_row(
            f"vtab-other-search-{number:04d}", lr=lr, inter_weight=0.3 + 0.01 * number,
            batch_size=(20, 40)[number % 2], status="completed", epochs_done=10,
            last_val_top1=top1, **changes,
        )  # fmt: skip
        store.write_run(row)
    # A final run, however good, and a trial that was stopped.
    store.write_run(run_row("vtab-other-final-seed1", lr=1.0, status="completed", test_top1=99.0))
    stopped = run_row("vtab-other-search-0099", lr=1.0, status="stopped", last_val_top1=99.0)
    store.write_run(stopped)


def proposed(results: Path, **options: Any) -> list[float]:
    """Learning rates of the trials that come after the space's own configuration."""
    driver = Driver(results, slots=4, **FORECAST, **options)
    return [float(driver.ask()["hyperparameters"]["lr"]) for _ in range(4)][1:]


def test_a_search_begins_where_earlier_tasks_were_good(tmp_path: Path) -> None:
    fill(tmp_path / "high", best=0.015)
    fill(tmp_path / "low", best=0.0008)
    high = proposed(tmp_path / "a", learn_from=str(tmp_path / "high"))
    low = proposed(tmp_path / "b", learn_from=str(tmp_path / "low"))
    assert min(high) > 3 * max(low)
    assert proposed(tmp_path / "c", learn_from=str(tmp_path / "high")) == high


def test_several_results_are_told_apart_by_commas(tmp_path: Path) -> None:
    fill(tmp_path / "one")
    fill(tmp_path / "two")
    both = f"{tmp_path / 'one'},{tmp_path / 'two'}"
    plan = options_of(tmp_path / "new", **FORECAST, learn_from=both)
    first, second = plan.earlier
    assert first.name == "vtab other demo sa2vp"
    assert [one["lr"] for one in first.configurations] == pytest.approx(LRS)
    assert list(first.val_top1) == list(second.val_top1)
    assert max(first.val_top1) < 91  # the final run and the stopped trial are not there


def test_ranges_and_the_number_of_images_are_what_the_trials_show() -> None:
    lrs = [10 ** (-4 + n / 10) for n in range(15)]
    configurations = [{"lr": lr, "inter_dim": 8 * (1 + n % 3)} for n, lr in enumerate(lrs)]
    shown = EarlierTrials("x", configurations, [50.0] * 15, 100)
    assert shown.ranges == {"lr": LogUniform(lrs[0], lrs[-1]), "inter_dim": Choice(8, 16, 24)}
    # Of 40 images a step is 2.5 points.
    assert images_of([50 + 2.5 * (n % 7) for n in range(15)]) == 40


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sampler": "tpe"}, "--learn-from: needs --sampler forecast"),
        ({"learn_from": "{new}"}, "is where this search's results go"),
        ({"learn_from": "{none}"}, "has no task with 5 trials trained to the end"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_before_anything_starts(
    tmp_path: Path, options: dict[str, str], said: str
) -> None:
    places = {name: str(tmp_path / name) for name in ("new", "none", "old")}
    fill(tmp_path / "old")
    given = {"learn_from": places["old"], **FORECAST, **options}
    given = {k: v.format(**places) if isinstance(v, str) else v for k, v in given.items()}
    with pytest.raises(OptionError) as refused:
        options_of(tmp_path / "new", **given)
    assert said in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_a_search_is_not_continued_with_other_results_to_learn_from(tmp_path: Path) -> None:
    fill(tmp_path / "old")
    asked = {**FORECAST, "learn_from": str(tmp_path / "old")}
    driver = Driver(tmp_path / "new", **asked)
    open_session(driver.plan, DATA)
    driver.finish(driver.ask()["run_id"], 50.0)
    assert open_session(options_of(tmp_path / "new", **asked), DATA).set_aside == 0
    for changed in ({"learn_from": None}, {}):
        if not changed:
            fill(tmp_path / "old", best=0.001)
        with pytest.raises(OptionError, match="holds a search with a different learn from"):
            open_session(options_of(tmp_path / "new", **(asked | changed)), DATA)


def test_trials_of_other_hyperparameters_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path / "old", searched=json.dumps(["lr", "batch_size"]))
    learned = proposed(tmp_path / "a", learn_from=str(tmp_path / "old"))
    assert learned == proposed(tmp_path / "b")


def test_shipped_tasks_are_learned_from_but_never_by_themselves(tmp_path: Path) -> None:
    own = options_of(tmp_path / "a", **FORECAST, learn_from="shipped").earlier
    assert {"signs", "photos", "letters"} < {one.name for one in own}
    assert not {"digits", "location", "orientation"} & {one.name for one in own}
    for one in own:
        assert set(one.configurations[0]) == {"inter_dim", "inter_weight", "lr", "batch_size"}
        assert one.ranges["inter_dim"] == Choice(2, 4, 8, 16, 32, 64)
        assert (one.images, len(one.configurations) >= 60) == (200, True)
    alone, told = proposed(tmp_path / "b"), proposed(tmp_path / "c", learn_from="shipped")
    assert alone != told
