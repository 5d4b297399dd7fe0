"""What an interrupted search goes on from, driven as Tune drives it but without a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from driver import (
    DIGITS,
    FINALS,
    TRIALS,
    Driver,
    checkpoint_of,
    reported,
)
from ray.tune.search import Searcher
from rows import epoch_row, metrics, run_row

from analysis.frames import read_results
from sa2vp.results import packing
from sa2vp.results.packing import pack
from sa2vp.results.store import ResultsStore, StoreError
from sa2vp.training.checkpoint import ARRAYS_FILE, COUNTERS_FILE
from sa2vp.tuning.callbacks import RecordRuns
from sa2vp.tuning.record import RunRecord


@pytest.mark.parametrize("subfolder", ["checkpoint_000002", "workers/checkpoint_2026-01-01"])
def test_a_new_session_continues_what_is_unfinished(tmp_path: Path, subfolder: str) -> None:
    first = Driver(tmp_path, **DIGITS)
    first.finish(first.ask()["run_id"], 50.0)
    interrupted = first.ask()
    first.record.report(interrupted["run_id"], metrics(3, 30.0))
    folder = tmp_path / "tune" / "demo-then" / interrupted["run_id"] / subfolder
    checkpoint_of(interrupted, 3).save(folder)

    second = Driver(tmp_path, **DIGITS)
    continued = second.ask()
    assert continued["run_id"] == interrupted["run_id"]
    assert continued["hyperparameters"] == interrupted["hyperparameters"]
    assert continued["checkpoints"] == [str(folder)]
    assert (interrupted["start"], continued["start"]) == (1, 2)
    second.finish(continued["run_id"], 60.0)
    assert second.run_all({}) == [TRIALS[2], *FINALS]
    assert Driver(tmp_path, **DIGITS).ask() == Searcher.FINISHED


def test_an_uninterrupted_search_and_a_continued_one_try_the_same_settings(
    tmp_path: Path,
) -> None:
    options = {"tasks": "digits", "trials": 9, "seeds": 1}
    whole = Driver(tmp_path / "whole", **options)
    whole.run_all({})
    for _ in range(9):  # a new session for every trial
        driver = Driver(tmp_path / "pieces", **options)
        driver.finish(driver.ask()["run_id"], 50.0)
    pieces = RunRecord(ResultsStore(str(tmp_path / "pieces")), "demo").of("digits", "search")
    assert [row.configuration for row in pieces] == [
        row.configuration for row in whole.record.of("digits", "search")
    ]


def test_a_checkpoint_of_an_earlier_run_of_the_same_name_is_not_continued_from(
    tmp_path: Path,
) -> None:
    driver = Driver(tmp_path, **DIGITS)
    config = driver.ask()
    driver.record.report(config["run_id"], metrics(1, 30.0))
    folder = tmp_path / "tune" / "demo-then" / config["run_id"] / "checkpoint_000000"
    checkpoint_of(config, 1, run=config["identity"] | {"uid": "of before --fresh"}).save(folder)
    assert Driver(tmp_path, **DIGITS).ask()["checkpoints"] == []


def test_of_two_checkpoints_of_an_epoch_that_of_the_later_start_counts(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    config = driver.ask()
    for epoch in (1, 2, 3):
        driver.record.report(config["run_id"], metrics(epoch, 30.0))
    # By the clock of its machine the first session came last.
    saved = [("demo-2030", 2, 1), ("demo-2020", 2, 2), ("demo-2040", 1, 1), ("demo-2050", 4, 2)]
    for session, epoch, start in saved:
        folder = tmp_path / "tune" / session / config["run_id"] / "checkpoint_000000"
        checkpoint_of(config, epoch, start=start).save(folder)
    found = Driver(tmp_path, **DIGITS).ask()["checkpoints"]
    sessions = [Path(folder).parts[-3] for folder in found]
    assert sessions == ["demo-2020", "demo-2030", "demo-2040"]  # epoch 4 was not recorded


def test_a_decision_to_stop_is_not_lost_with_the_driver(tmp_path: Path) -> None:
    options = DIGITS | {"epochs": 10}
    driver = Driver(tmp_path, **options)
    driver.finish(reported(driver, 10, 80.0), 80.0)
    behind = reported(driver, 2, 50.0, "stop")  # killed before the end was entered
    again = Driver(tmp_path, **options)
    again.make_scheduler()
    row = again.record.runs[behind]
    assert (row.status, row.epochs_done) == ("stopped", 2)
    assert again.ask()["run_id"] == TRIALS[2]


def test_a_trial_with_all_epochs_is_closed_and_one_that_was_ahead_goes_on(
    tmp_path: Path,
) -> None:
    options = DIGITS | {"epochs": 10}
    driver = Driver(tmp_path, **options)
    reported(driver, 10, 50.0)
    again = Driver(tmp_path, **options)
    again.make_scheduler()
    assert again.record.runs[TRIALS[0]].status == "completed"  # it had done all of its epochs
    ahead = reported(again, 2, 80.0, "continue")
    once_more = Driver(tmp_path, **options)
    once_more.make_scheduler()
    assert once_more.record.runs[ahead].status == "running"
    assert once_more.ask()["run_id"] == ahead


def test_epochs_that_the_row_does_not_count_are_trained_again(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    run_id = reported(driver, 1, 50.0)
    rows = [epoch_row(run_id, 1, 50.0), epoch_row(run_id, 2, 60.0)]
    driver.store.write_epochs(run_id, rows)  # killed before the row was written
    again = Driver(tmp_path, **DIGITS)
    assert [epoch.epoch for epoch in again.record.epochs[run_id]] == [1]


def test_after_a_write_has_failed_nothing_more_is_written(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    run_id = reported(driver, 1, 50.0)
    (tmp_path / "runs").rename(tmp_path / "moved")
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        driver.record.report(run_id, metrics(2, 60.0))
    (tmp_path / "runs").unlink()
    (tmp_path / "moved").rename(tmp_path / "runs")
    with pytest.raises(StoreError, match="cannot be written"):
        driver.record.finish(run_id, "completed")
    assert Driver(tmp_path, **DIGITS).record.runs[run_id].epochs_done == 1


def test_a_checkpoint_without_its_counters_is_left_out(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    config = driver.ask()
    folders = [tmp_path / "tune" / "then" / config["run_id"] / f"checkpoint_{n}" for n in "012"]
    for epoch, folder in enumerate(folders, start=1):
        driver.record.report(config["run_id"], metrics(epoch, 30.0))
        checkpoint_of(config, epoch).save(folder)
    (folders[2] / COUNTERS_FILE).write_text("{")
    (folders[1] / COUNTERS_FILE).unlink()
    assert Driver(tmp_path, **DIGITS).ask()["checkpoints"] == [str(folders[0])]


def test_a_trial_whose_row_is_lost_is_run_anew_under_its_number(tmp_path: Path) -> None:
    first = Driver(tmp_path, **DIGITS)
    first.run_all({})
    lost = first.record.runs[TRIALS[1]]
    (tmp_path / "runs" / f"{TRIALS[1]}.parquet").unlink()

    again = Driver(tmp_path, **DIGITS)
    config = again.ask()
    assert config["run_id"] == TRIALS[1]
    assert config["identity"]["uid"] != lost.uid
    assert again.store.read_epochs(TRIALS[1]) == []  # those of the lost run were set aside
    assert len(list(tmp_path.glob(f"superseded/*/epochs/{TRIALS[1]}.parquet"))) == 1
    again.finish(TRIALS[1], 50.0)
    assert again.run_all({}) == []  # and the search ends


def test_a_packed_run_whose_row_is_lost_leaves_nothing_that_counts(tmp_path: Path) -> None:
    first = Driver(tmp_path, **DIGITS)
    first.run_all({})
    for run_id in FINALS:
        first.store.write_predictions(run_id, [0, 1], [1, 0])
    pack(tmp_path, lambda: None)
    for packed in (tmp_path / "runs").iterdir():  # damaged, and moved away as is advised
        packed.unlink()
    again = Driver(tmp_path, **DIGITS)
    assert again.run_all({}) == [*TRIALS, *FINALS]
    for run_id in FINALS:
        again.store.write_predictions(run_id, [0, 1], [0, 1])
    tables = read_results(str(tmp_path))
    assert tables.predictions(FINALS)["correct"].tolist() == [True] * 4
    assert len(tables.epochs([*TRIALS, *FINALS])) == 5
    assert len(list(tmp_path.glob(f"superseded/*/epochs/{TRIALS[1]}.parquet"))) == 1


def test_what_confirms_a_trial_whose_row_is_lost_is_set_aside(tmp_path: Path) -> None:
    options = DIGITS | {"trials": 7, "seeds": 1, "confirm": 2}
    last = "demo-digits-search-0006"
    top1 = {last: 51.0, "demo-digits-search-0005": 50.5}  # both are in the race
    first = Driver(tmp_path, **options)
    first.run_all(top1)
    lost = first.record.runs[last].configuration
    (tmp_path / "runs" / f"{last}.parquet").unlink()
    (tmp_path / "runs" / "demo-digits-search-0001.parquet").unlink()
    again = Driver(tmp_path, **options)
    order = again.run_all(top1)
    assert order[2:] == ["demo-digits-confirm-0006-seed1", FINALS[0]]
    new = again.record.runs["demo-digits-confirm-0006-seed1"]
    assert new.configuration == again.record.runs[last].configuration != lost


def test_packed_final_runs_are_set_aside_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Driver(tmp_path, **DIGITS).run_all({TRIALS[1]: 70.0})
    pack(tmp_path, lambda: None)
    extended = DIGITS | {"trials": 4}
    better = {"demo-digits-search-0003": 80.0}
    take_out, taken = packing._take_out_of, list[str]()

    def killed_after_one(folder: Path, dataset: str, *others: Any) -> None:
        if dataset in taken:
            return
        if taken:
            raise KeyboardInterrupt
        take_out(folder, dataset, *others)
        if others[0] == FINALS:
            taken.append(dataset)

    monkeypatch.setattr(packing, "_take_out_of", killed_after_one)
    with pytest.raises(KeyboardInterrupt):
        Driver(tmp_path, **extended).run_all(better)
    monkeypatch.undo()
    assert Driver(tmp_path, **extended).run_all(better) == FINALS


def test_a_lost_epochs_file_is_named_for_the_tasks_at_hand(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    store.write_run(run_row(TRIALS[1], status="completed", epochs_done=2, epochs_planned=2))
    store.write_epochs(TRIALS[1], [epoch_row(TRIALS[1], 1)])  # of a run that had two
    record = RunRecord(store, "demo")
    record.check_epochs(["location"])
    with pytest.raises(StoreError, match=rf"{TRIALS[1]}.parquet is lost .* move runs/{TRIALS[1]}"):
        record.check_epochs(["digits"])


def test_a_run_is_started_once_under_its_name(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    config = driver.ask()
    with pytest.raises(RuntimeError, match=r"is there already, and is another run"):
        driver.record.start(run_row(TRIALS[0]))
    driver.finish(config["run_id"], 50.0)
    with pytest.raises(RuntimeError, match=r"has ended: it is completed"):
        driver.record.start(driver.record.runs[TRIALS[0]])


def test_a_decision_to_go_on_is_not_taken_back(tmp_path: Path) -> None:
    options = DIGITS | {"epochs": 10}
    driver = Driver(tmp_path, slots=2, **options)
    scheduler = driver.make_scheduler()
    first, second = driver.ask()["run_id"], driver.ask()["run_id"]
    # The second trial reaches the rung at epoch 2 first; the first, better one follows.
    for run_id, top1 in ((second, 50.0), (first, 80.0)):
        trial = SimpleNamespace(config=driver.configs[run_id])
        for epoch in (1, 2):
            result = metrics(epoch, top1)
            decision = scheduler.on_trial_result(None, trial, result)
            RecordRuns(driver.record, lambda: None, scheduler.reason).on_trial_result(
                trial=trial, result=result | {"done": decision == "STOP"}
            )
    assert [epoch.decision for epoch in driver.record.epochs[second]] == ["continue"] * 2
    again = Driver(tmp_path, **options)
    again.make_scheduler()
    assert {again.record.runs[run_id].status for run_id in (first, second)} == {"running"}


def test_a_final_run_has_ended_once_its_weights_are_there(tmp_path: Path) -> None:
    options = {"tasks": "digits", "trials": 1, "seeds": 1}
    driver = Driver(tmp_path, **options)
    driver.finish(driver.ask()["run_id"], 50.0)
    config = driver.ask()
    for epoch in range(1, 11):
        driver.record.report(config["run_id"], metrics(epoch, 30.0, test_top1=40.0))
    folder = tmp_path / "tune" / "then" / config["run_id"]
    checkpoint_of(config, 9).save(folder / "checkpoint_000008")
    last = folder / "checkpoint_000009"
    checkpoint_of(config, 10).save(last)
    (last / ARRAYS_FILE).write_bytes((last / ARRAYS_FILE).read_bytes()[:-1])  # cut short

    cut = Driver(tmp_path, **options)
    cut.make_scheduler()
    assert cut.record.runs[FINALS[0]].status == "running"
    checkpoint_of(config, 10).save(last)
    whole = Driver(tmp_path, **options)
    whole.make_scheduler()
    assert whole.record.runs[FINALS[0]].status == "completed"


def test_runs_that_cannot_be_compared_end_the_search(tmp_path: Path) -> None:
    driver = Driver(tmp_path, slots=2, **DIGITS)
    first, second = driver.ask()["run_id"], driver.ask()["run_id"]
    driver.record.report(first, metrics(1, 50.0))
    with pytest.raises(StoreError, match=r"with precision bfloat16, the runs before it with float"):
        driver.record.report(second, metrics(1, 60.0, precision="bfloat16"))
    assert Driver(tmp_path, **DIGITS).record.runs[second].epochs_done == 0
    again = Driver(tmp_path, **DIGITS)
    with pytest.raises(StoreError, match=r"with backbone_fingerprint f00d"):
        again.record.report(first, metrics(2, 60.0, backbone_fingerprint="f00d"))


def test_versions_are_those_of_the_worker_and_earlier_ones_are_kept(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    run_id = driver.ask()["run_id"]
    old, new = '{"torch": "2.6"}', '{"torch": "2.7"}'
    for epoch, versions in ((1, old), (2, old), (3, new)):
        driver.record.report(run_id, metrics(epoch, 50.0, versions=versions, commit="abc"))
    row = Driver(tmp_path, **DIGITS).record.runs[run_id]
    assert (row.versions, row.commit) == (new, "abc")
    earlier = [{"until_epoch": 2, "commit": "abc", "versions": {"torch": "2.6"}}]
    assert json.loads(row.earlier_versions or "") == earlier
