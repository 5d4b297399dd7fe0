"""Tables of recorded configurations, and what replays make of them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import compare_searches
import numpy as np
import pandas as pd
import pytest
from comparison.replays import (
    Fitted,
    Lookup,
    Noise,
    check,
    held_out,
    replays,
)
from comparison.simulation import Problem
from comparison.surrogates import GaussianProcesses, Nearest, Trees
from comparison.tables import TableError, TaskTable, of_half, read_tables
from comparison.ways import WAYS, be_quiet
from record_settings import TABLE

from sa2vp.cli.commands import run_script
from search_spaces import Choice, LogUniform, TaskSpace

be_quiet()
LINE = TaskSpace({"x": LogUniform(1.0, 10.0)}, ())


def written(path: Path, rows: dict[str, list[object]]) -> Path:
    pd.DataFrame(rows).to_parquet(path)
    return path


def on_a_line(top1: np.ndarray, seeds: int = 1, noise: float = 0.0) -> TaskTable:
    """One hyperparameter; the last top-1 as given, the first half of it, losses the less."""
    rng = np.random.default_rng(0)
    runs = []
    for one in top1:
        curve = np.array([[one / 2, 1 - one / 200], [one, 1 - one / 100]])
        runs.append(curve + noise * rng.standard_normal((seeds, 2, 1)) * [1, 0])
    x = 10 ** np.linspace(0, 1, len(top1))
    return TaskTable("line", [{"x": value} for value in x], runs, LINE)


def test_a_table_without_epochs_seeds_and_loss_has_trials_of_one_epoch(tmp_path: Path) -> None:
    path = written(
        tmp_path / "grid.parquet",
        {
            "task": ["a/ssf", "a/ssf", "a/lora", "a/lora"],
            "number": [0, 1, 0, 1],
            "lr": [0.01, 0.1, 0.1, 0.01],
            "rank": [None, None, 4.0, 8.0],
            "val_top1": [50.0, 60.5, 70.0, 71.0],
        },
    )
    lora, ssf = read_tables(path)
    assert (lora.task, lora.epochs, lora.space.ranges) == (
        "a/lora", 1, {"lr": Choice(0.01, 0.1), "rank": Choice(4.0, 8.0)},
    )  # fmt: skip
    assert ssf.space.ranges == {"lr": Choice(0.01, 0.1)}
    assert lora.means[:, 0, 0].tolist() == [70, 71]
    assert lora.places.tolist() == [[1, 0], [0, 1]]


def test_schedules_are_apart_and_a_failed_run_stays_at_the_worst(tmp_path: Path) -> None:
    path = written(
        tmp_path / "curves.parquet",
        {
            "task": ["a"] * 7, "number": [0, 0, 1, 1, 1, 2, 2], "seed": [0, 0, 0, 0, 1, 0, 0],
            "epochs_planned": [2, 2, 2, 2, 2, 1, 1], "lr": [0.1] * 2 + [0.2] * 3 + [0.3] * 2,
            "epoch": [1, 2, 1, 2, 1, 1, 2],
            "val_top1": [10.0, 20.0, 30.0, 40.0, None, 1.0, 2.0], "val_loss": [1.0] * 7,
            "seconds": [0.0] * 7, "correct": [b""] * 7,
        },
    )  # fmt: skip
    long, short = sorted(read_tables(path), key=lambda table: -len(table.runs))
    assert (long.task, short.task) == ("a (2 epochs)", "a (1 epochs)")
    assert [len(curves) for curves in long.runs] == [1, 2]
    assert np.isnan(long.runs[1][1]).all()
    assert long.completed_runs[1][..., 0].tolist() == [[30, 40], [10, 10]]
    assert of_half([long, short], "tuning") in ([], [long, short])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"val_top1": None}, "lacks the column val_top1"),
        ({"epoch": [1, 3]}, "one row for each of 3 epochs"),
        ({"lr": [0.1, None]}, "some rows lack a hyperparameter"),
    ],
)
def test_a_table_that_is_no_table_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, list[object] | None],
    said: str,
) -> None:
    rows = {"task": ["a"] * 2, "number": [0, 0], "epoch": [1, 2], "lr": [0.1] * 2}
    changed = {**rows, "val_top1": [1.0, 2.0], **change}
    path = written(tmp_path / "t.parquet", {n: v for n, v in changed.items() if v is not None})
    with pytest.raises(TableError, match=said):
        read_tables(path)
    monkeypatch.setattr(sys, "argv", ["compare_searches.py", "--table", str(path)])
    with pytest.raises(SystemExit) as ended:
        run_script(compare_searches.main)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("compare_searches.py: ")
    assert str(path.name) in told


def test_the_bundled_tables_are_read() -> None:
    grids = read_tables(TABLE.with_name("vtab_searches.parquet"))
    assert len(grids) == 160
    assert sum(len(table.runs) for table in grids) == 5160
    halves = [{table.task.split("/")[0] for table in of_half(grids, half)} for half in
              ("tuning", "reporting")]  # fmt: skip
    assert [len(half) for half in halves] == [5, 5]
    assert not halves[0] & halves[1]
    digits, location, _ = read_tables(TABLE)
    assert (len(digits.runs), len(location.runs), digits.epochs, digits.step) == (200, 100, 8, 0.5)


def test_held_out_configurations_are_foretold_where_there_is_something_to_foretell() -> None:
    rising = on_a_line(np.linspace(10, 90, 40))
    shuffled = on_a_line(np.random.default_rng(1).permutation(np.linspace(10, 90, 40)))
    for model in (Nearest, GaussianProcesses, Trees):
        recorded = rising.means[:, -1, 0]
        assert check(recorded, *held_out(rising, model)).rank > 0.95
        recorded = shuffled.means[:, -1, 0]
        assert abs(check(recorded, *held_out(shuffled, model)).rank) < 0.5


def test_the_check_is_as_worked_out_by_hand() -> None:
    found = check(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4]), np.array([0.5, 0.5, 1, 1]))
    assert found.rank == pytest.approx(0.8)
    assert found.error == pytest.approx(np.sqrt(0.5))
    assert found.within == 0.75  # 1.28 deviations on either side: 0.64 misses the second alone


def test_noise_is_the_whole_curve_of_a_repeated_configuration() -> None:
    curves = np.array([[[1.0, 0], [2, 0]], [[3, 0], [6, 0]]])
    table = TaskTable("t", [{"x": 1.0}, {"x": 2.0}], [curves, curves[:1]], LINE)
    noise = Noise.of(table, np.zeros((2, 2, 2)))
    root = np.sqrt(2)  # the mean of two seeds takes half of the variance away
    assert noise.curves[..., 0] == pytest.approx(np.array([[-root, -2 * root], [root, 2 * root]]))
    assert noise.variance(0.0) == pytest.approx(8)
    without = TaskTable("t", [{"x": 1.0}, {"x": 2.0}], [curves[:1], curves[1:]], LINE)
    assert Noise.of(without, np.ones((2, 2, 2))).curves[..., 0].tolist() == [[0, 1], [2, 5]]


@pytest.mark.parametrize(("seeds", "weight"), [(1, 0.5), (2, 0.75)])
def test_the_truth_of_a_lookup_lies_between_the_record_and_what_others_say(
    seeds: int, weight: float
) -> None:
    recorded = np.linspace(10, 90, 20)
    table = on_a_line(recorded, seeds)
    expected = recorded - np.sqrt(8) * (-1) ** np.arange(20)
    # a run's variance is 4; that of the models' error 8 less the mean's own: 4 of 1 seed, 6 of 2
    noise = Noise(np.zeros(20), np.full((20, 2, 2), 2.0))
    lookup = Lookup(table, expected, noise)
    assert lookup.truths == pytest.approx(weight * recorded + (1 - weight) * expected)


def test_a_lookup_shows_each_configuration_once() -> None:
    table = on_a_line(np.linspace(10, 90, 5))
    lookup = Lookup(table, table.means[:, -1, 0], Noise.of(table, table.means))
    draws = lookup.draws(0)
    assert [draws.trial({"x": 10.0}).curve[-1, 0] for _ in range(5)] == [90, 70, 50, 30, 10]
    assert lookup.trials == 5


def test_searches_of_the_same_seed_are_shown_the_same_of_a_configuration() -> None:
    table = on_a_line(np.linspace(10, 90, 20), seeds=3, noise=2.0)
    model = GaussianProcesses(table.places, table.means)
    fitted = Fitted(table, model, Noise.of(table, model.curves(table.places)))
    at = {"x": 3.3}
    shown = [fitted.draws(seed).trial(at).curve[-1, 0] for seed in range(20)]
    draws = fitted.draws(7)
    draws.trial({"x": 2.0})
    assert draws.trial(at).curve[-1, 0] == shown[7]
    assert len(set(shown)) > 5
    assert {fitted.draws(seed).trial(at).truth for seed in range(20)} == {
        fitted.draws(0).trial(at).truth
    }


@pytest.mark.filterwarnings("ignore:The reported value is ignored")
def test_every_way_searches_a_table_and_gives_the_same_again() -> None:
    table = on_a_line(np.linspace(10, 90, 20), seeds=2, noise=1.0)
    problem = Problem("line", TaskSpace(table.space.ranges, ({"x": 2.0},)), table.epochs, 200)
    replay, quality = replays(table)["lookup"]
    simulated = compare_searches.Simulated(problem, replay, 4)
    results = compare_searches.Results(2, "stock")
    with ThreadPoolExecutor(1) as executor:
        search = compare_searches.search_all
        first, again = (search(executor, simulated, [*WAYS], 2, "lookup") for _ in range(2))
    for way in WAYS:
        pd.testing.assert_frame_equal(first[way], again[way])
    assert first["random"]["found"].all()  # which tries all of the table, to the end
    results.add("lookup", table, quality, first)
    results.add("lookup", replace(table, task="other"), quality, first)
    results.add_means()
    rows = results.frame()
    assert rows["way"].tolist() == [*WAYS] * 3
    assert rows.loc[rows["task"] == "(mean)", "epochs"].tolist() == pytest.approx(
        (rows["epochs"].iloc[: len(WAYS)] / 2).tolist()
    )
