"""A search that the model decides, driven as Tune drives it but without a cluster."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from driver import Driver
from ray.tune.search import Searcher
from rows import metrics

from sa2vp.options import OptionError
from sa2vp.tuning.callbacks import RecordRuns

FORECAST = {
    "tasks": "digits", "trials": 10, "seeds": 1, "sampler": "forecast", "scheduler": "forecast",
}  # fmt: skip
EPOCHS = 10


def shows(configuration: dict[str, Any], epoch: int) -> float:
    """Percent: best at an lr of 5e-3; the last epochs add what is left."""
    off = math.log10(configuration["lr"] / 5e-3)
    logit = 2.5 - 5 * off**2 - 0.3 * math.log(EPOCHS / epoch) ** 1.6
    return round(100 / (1 + math.exp(-logit)), 1)


def train(driver: Driver, config: dict[str, Any]) -> str:
    """Train a run, from where it stands, until it ends or is stopped; give its run_id."""
    run_id = config["run_id"]
    trial = SimpleNamespace(config=config, last_result=None)
    scheduler = driver.scheduler
    entered = RecordRuns(driver.record, lambda: None, scheduler.reason)
    for epoch in range(driver.record.runs[run_id].epochs_done + 1, EPOCHS + 1):
        test = 40.0 if config["phase"] == "final" else None
        result = metrics(epoch, shows(config["hyperparameters"], epoch), test_top1=test)
        stopped = scheduler.on_trial_result(None, trial, result) == "STOP"
        entered.on_trial_result(trial=trial, result=result | {"done": stopped})
        if stopped:
            break
    driver.searcher.on_trial_complete(driver.ids[run_id])
    entered.on_trial_complete(trial=trial)
    return run_id


def run_all(driver: Driver, most: int = 1000) -> list[str]:
    order: list[str] = []
    while len(order) < most and (config := driver.ask()) != Searcher.FINISHED:
        order.append(train(driver, config))
    return order


def told(driver: Driver) -> list[tuple[Any, ...]]:
    """What a search has decided."""
    return [
        (
            row.run_id, row.status, row.reason, row.starts,
            [(e.epoch, e.val_top1, e.decision, e.reason) for e in driver.record.epochs[row.run_id]],
        )
        for row in sorted(driver.record.runs.values(), key=lambda row: row.run_id)
    ]  # fmt: skip


def test_hopeless_trials_are_stopped_and_the_rows_say_why(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **FORECAST)
    run_all(driver)
    trials = driver.record.of("digits", "search")
    stopped = [row for row in trials if row.status == "stopped"]
    assert len(trials) == 10
    assert stopped
    for row in stopped:
        last = driver.record.epochs[row.run_id][-1]
        assert (last.decision, last.reason) == ("stop", row.reason)
        assert row.reason is not None
        assert row.reason.endswith(f" after epoch {row.epochs_done}")
        chance, words = row.reason.split(" % chance to beat ")
        assert 0 <= int(chance) < 10
        assert 0 < float(words.split()[0]) < 100
    best = max(row.last_val_top1 or 0 for row in trials)
    assert best > 90  # of 92.4 at the best


def test_a_search_of_many_sessions_decides_as_one_of_a_single_session(tmp_path: Path) -> None:
    whole = Driver(tmp_path / "whole", **FORECAST)
    order = run_all(whole)
    pieces: list[str] = []
    while True:
        driver = Driver(tmp_path / "pieces", **FORECAST)
        driver.make_scheduler()  # which closes what was left open
        some = run_all(driver, most=1)
        if not some:
            break
        pieces += some
    assert pieces == order
    assert told(driver) == told(whole)


def test_a_stopped_trial_that_goes_on_is_started_again_from_its_epochs(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **FORECAST)
    run_id = driver.ask()["run_id"]
    for epoch in (1, 2):
        decision = "stop" if epoch == 2 else "continue"
        driver.record.report(run_id, metrics(epoch, 50.0), decision, "said so")  # type: ignore[arg-type]
    driver.record.close(run_id)
    row = driver.record.runs[run_id]
    assert (row.status, row.reason) == ("stopped", "said so")
    driver.record.go_on(row)
    driver.record.start(row)
    # A new session finds it under way, and does not close it again.
    again = Driver(tmp_path, **FORECAST)
    again.make_scheduler()
    row = again.record.runs[run_id]
    assert (row.status, row.reason, row.epochs_done, row.starts) == ("running", None, 2, 2)
    assert [(e.decision, e.reason) for e in again.record.epochs[run_id]] == [
        ("continue", "said so"), ("continue", None)
    ]  # fmt: skip
    assert again.ask()["run_id"] == run_id


def test_asha_may_stop_what_the_model_proposes_and_the_other_way_round(tmp_path: Path) -> None:
    for sampler, scheduler in (("forecast", "asha"), ("tpe", "forecast")):
        both = FORECAST | {"sampler": sampler, "scheduler": scheduler, "trials": 8, "seed": 3}
        driver = Driver(tmp_path / sampler, **both)
        run_all(driver)
        reasons = {row.reason for row in driver.record.of("digits", "search") if row.reason}
        wanted = "below ASHA's cutoff" if scheduler == "asha" else "% chance to beat"
        assert reasons
        assert all(wanted in reason for reason in reasons)


def search_all(driver: Driver) -> int:
    """Train every run to its end; give the number of trials."""
    trials = 0
    while isinstance(config := driver.ask(), dict):
        final = config["phase"] == "final"
        top1 = shows(config["hyperparameters"], EPOCHS)
        driver.finish(config["run_id"], top1, test_top1=top1 if final else None)
        trials += not final
    return trials


def test_a_search_ends_when_no_new_trial_promises_enough(tmp_path: Path) -> None:
    options = FORECAST | {"trials": 30, "confirm": 0}
    trials = search_all(Driver(tmp_path, **options, min_gain=0.7))
    assert 6 <= trials < 20
    assert search_all(Driver(tmp_path, **options, min_gain=0.7)) == 0
    assert search_all(Driver(tmp_path, **options)) == 30 - trials


def test_what_a_model_promises_is_no_end_without_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--min-gain: needs --sampler forecast"):
        Driver(tmp_path, tasks="digits", min_gain=0.5)
