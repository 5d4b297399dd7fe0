"""The order of runs, driven as Tune drives it but without a cluster: search, then final runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from ray.tune.search import Searcher
from rows import epoch_row, metrics, run_row

from sa2vp.data.fingerprint import Manifest
from sa2vp.training.checkpoint import ARRAYS_FILE, COUNTERS_FILE, Checkpoint
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.options import SearchOptions, make_plan
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.provenance import gather_provenance
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import continue_or_refuse, hold_results
from sa2vp.tuning.store import ResultsStore, StoreError
from sa2vp.tuning.tuner import make_scheduler

TASKS = ("digits", "location", "orientation")


def plan_data(contents: str = "same") -> PlanData:
    split = {"images": 320, "labels": "same", "contents": contents}
    manifests = {task: Manifest({"train": split}) for task in TASKS}
    images = {task: {"train": 320, "val": 200, "test": 400} for task in TASKS}
    return PlanData(manifests, {task: ["0", "1"] for task in TASKS}, images)


DATA = plan_data()


class Driver:
    """Plays Tune's part: asks for runs, reports their epochs and their ends."""

    def __init__(self, results: Path, *, slots: int = 1, **options: Any) -> None:
        self.plan = options_of(results, **options)
        self.store = ResultsStore(str(results))
        self.record = RunRecord(self.store, "demo")
        self.searcher = ProtocolSearcher(
            self.plan,
            self.record,
            gather_provenance(DATA.fingerprints),
            {"CPU": 1.0},
            lambda: slots,
            DATA.manifests,
        )
        self.ids: dict[str, str] = {}

    def ask(self) -> Any:
        trial_id = f"tune-{len(self.ids)}"
        config = self.searcher.suggest(trial_id)
        if isinstance(config, dict):
            self.ids[config["run_id"]] = trial_id
            return config
        return config

    def finish(self, run_id: str, val_top1: float, *, epochs: int = 10, **changes: Any) -> None:
        """Report a run's last epoch and its end."""
        result = metrics(epochs, val_top1, **changes)
        self.record.report(run_id, result)
        self.searcher.on_trial_complete(self.ids[run_id], result)
        self.record.finish(run_id, "completed" if epochs == 10 else "stopped")

    def fail(self, run_id: str) -> None:
        self.searcher.on_trial_complete(self.ids[run_id], None, error=True)
        self.record.finish(run_id, "failed", "lost")

    def run_all(self, accuracies: dict[str, float]) -> list[str]:
        """Run to the end; runs that are not named reach 50 percent."""
        order = []
        while isinstance(config := self.ask(), dict):
            order.append(config["run_id"])
            test = 40.0 if config["phase"] == "final" else None
            self.finish(config["run_id"], accuracies.get(config["run_id"], 50.0), test_top1=test)
        assert config == Searcher.FINISHED
        assert self.searcher.finished
        return order


DIGITS = {"tasks": "digits", "trials": 3, "seeds": 2}
TRIALS = [f"demo-digits-search-000{number}" for number in range(3)]
FINALS = ["demo-digits-final-seed1", "demo-digits-final-seed2"]


def test_search_comes_first_and_the_best_setting_is_retrained_with_each_seed(
    tmp_path: Path,
) -> None:
    driver = Driver(tmp_path, **DIGITS)
    assert driver.run_all({TRIALS[1]: 70.0}) == [*TRIALS, *FINALS]
    runs = driver.record.runs
    assert {runs[name].setting == runs[TRIALS[1]].setting for name in FINALS} == {True}
    assert [runs[name].seed for name in FINALS] == [1, 2]
    assert [runs[name].test_top1 for name in [*TRIALS, *FINALS]] == [None] * 3 + [40.0] * 2
    assert runs[TRIALS[0]].setting == dict(driver.plan.space("digits").first)


def confirming(trial: int, seed: int) -> str:
    return f"demo-digits-confirm-{trial:04d}-seed{seed}"


CONFIRMED = {
    TRIALS[0]: 80.0,
    TRIALS[1]: 78.0,
    confirming(0, 1): 70.0,  # the mean of trial 0 is 74
    confirming(0, 2): 72.0,
    confirming(1, 1): 76.0,  # that of trial 1 is 76
    confirming(1, 2): 74.0,
}


def test_the_best_trials_are_confirmed_and_their_means_decide(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **(DIGITS | {"seeds": 1, "confirm": 2, "confirm_seeds": 2}))
    repeated = [confirming(trial, seed) for trial in (0, 1) for seed in (1, 2)]
    assert driver.run_all(CONFIRMED) == [*TRIALS, *repeated, FINALS[0]]
    runs = driver.record.runs
    assert runs[FINALS[0]].setting == runs[TRIALS[1]].setting
    assert [runs[name].seed for name in repeated] == [1, 2, 1, 2]
    assert [runs[name].test_top1 for name in repeated] == [None] * 4


def test_a_finished_search_can_be_confirmed_later(tmp_path: Path) -> None:
    first = Driver(tmp_path, **(DIGITS | {"seeds": 1}))
    first.run_all(CONFIRMED)
    assert first.record.runs[FINALS[0]].setting == first.record.runs[TRIALS[0]].setting
    again = Driver(tmp_path, **(DIGITS | {"seeds": 1, "confirm": 2}))
    assert again.run_all(CONFIRMED)[-1] == FINALS[0]  # of the other setting: set aside, run anew
    assert again.record.runs[FINALS[0]].setting == again.record.runs[TRIALS[1]].setting


def test_an_interrupted_confirmation_goes_on(tmp_path: Path) -> None:
    options = DIGITS | {"seeds": 1, "confirm": 1, "confirm_seeds": 1}
    driver = Driver(tmp_path, **options)
    for number in range(3):
        driver.finish(driver.ask()["run_id"], 60.0 + number)
    assert driver.ask()["run_id"] == confirming(2, 1)
    assert driver.ask() is None  # the setting is not chosen yet
    assert Driver(tmp_path, **options).run_all({}) == [confirming(2, 1), FINALS[0]]


def test_every_run_is_told_what_its_data_are(tmp_path: Path) -> None:
    driver = Driver(tmp_path, tasks="digits,location")
    config = driver.ask()
    assert config["manifest"] == asdict(DATA.manifests[config["task"]])


def test_failed_runs_are_taken_up_again_when_asked(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    driver.fail(driver.ask()["run_id"])
    again = Driver(tmp_path, **DIGITS)
    assert again.run_all({}) == [*TRIALS[1:], *FINALS]
    once_more = Driver(tmp_path, **DIGITS)
    assert once_more.record.retry_failed() == 1
    searcher = ProtocolSearcher(
        once_more.plan, once_more.record, gather_provenance(DATA.fingerprints), {"CPU": 1.0},
        lambda: 1,
    )  # fmt: skip
    config = searcher.suggest("tune-0")
    assert isinstance(config, dict)
    assert config["run_id"] == TRIALS[0]


def test_tasks_share_the_places_and_none_waits_for_another(tmp_path: Path) -> None:
    driver = Driver(tmp_path, slots=3, tasks="digits,location", trials=3, seeds=1)
    location = [f"demo-location-search-000{number}" for number in range(3)]
    started = [driver.ask()["run_id"] for _ in range(3)]
    assert started == [TRIALS[0], location[0], TRIALS[1]]
    assert driver.ask() is None  # every slot is taken
    # However long the trials of digits take, each place that location gives back is its own again.
    driver.finish(location[0], 60.0)
    assert driver.ask()["run_id"] == location[1]
    driver.finish(location[1], 50.0)
    assert driver.ask()["run_id"] == location[2]
    driver.finish(location[2], 50.0)
    assert driver.ask()["run_id"] == "demo-location-final-seed1"
    driver.finish("demo-location-final-seed1", 50.0, test_top1=40.0)
    assert driver.ask()["run_id"] == TRIALS[2]  # of location nothing is left
    driver.finish(TRIALS[0], 50.0)
    assert driver.ask() is None  # digits waits for its last trials, with two places free
    assert not driver.searcher.finished


def test_stopped_and_failed_trials_are_never_chosen(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    driver.finish(driver.ask()["run_id"], 99.0, epochs=2)
    driver.fail(driver.ask()["run_id"])
    driver.finish(driver.ask()["run_id"], 10.0)
    final = driver.ask()
    assert final["settings"]["lr"] == driver.record.runs[TRIALS[2]].lr


def test_a_task_without_a_completed_trial_has_no_final_runs(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    for _ in range(3):
        driver.fail(driver.ask()["run_id"])
    assert driver.ask() == Searcher.FINISHED


@pytest.mark.parametrize(
    ("losses", "parameters", "best"),
    [((0.9, 0.7, 0.8), (1, 1, 1), 1), ((0.7, 0.7, 0.7), (3, 3, 1), 2), ((1, 1, 1), (1, 1, 1), 0)],
)
def test_ties_go_to_the_lower_loss_then_to_fewer_parameters(
    tmp_path: Path, losses: tuple[float, ...], parameters: tuple[int, ...], best: int
) -> None:
    driver = Driver(tmp_path, **DIGITS)
    for loss, count in zip(losses, parameters, strict=True):
        driver.finish(driver.ask()["run_id"], 50.0, val_loss=loss, trainable_params=count)
    chosen = driver.record.best("digits")
    assert chosen is not None
    assert chosen.run_id == TRIALS[best]


@pytest.mark.parametrize("subfolder", ["checkpoint_000002", "workers/checkpoint_2026-01-01"])
def test_a_new_session_continues_what_is_unfinished(tmp_path: Path, subfolder: str) -> None:
    first = Driver(tmp_path, **DIGITS)
    first.finish(first.ask()["run_id"], 50.0)
    interrupted = first.ask()
    first.record.report(interrupted["run_id"], metrics(3, 30.0))
    folder = tmp_path / "tune" / "demo-then" / interrupted["run_id"] / subfolder
    Checkpoint({}, epoch=3, step=45, settings=interrupted["settings"]).save(folder)

    second = Driver(tmp_path, **DIGITS)
    continued = second.ask()
    assert continued["run_id"] == interrupted["run_id"]
    assert continued["settings"] == interrupted["settings"]
    assert Path(continued["resume"]) == folder
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
    assert [row.setting for row in pieces] == [
        row.setting for row in whole.record.of("digits", "search")
    ]


def test_a_checkpoint_of_other_settings_is_not_continued_from(tmp_path: Path) -> None:
    driver = Driver(tmp_path, **DIGITS)
    config = driver.ask()
    driver.record.report(config["run_id"], metrics(1, 30.0))
    folder = tmp_path / "tune" / "demo-then" / config["run_id"] / "checkpoint_000000"
    Checkpoint({}, epoch=1, step=15, settings=config["settings"] | {"lr": 0.5}).save(folder)
    assert Driver(tmp_path, **DIGITS).ask()["resume"] is None


def test_extending_a_finished_search_sets_outdated_final_runs_aside(tmp_path: Path) -> None:
    Driver(tmp_path, **DIGITS).run_all({TRIALS[1]: 70.0})
    extended = Driver(tmp_path, **(DIGITS | {"trials": 4, "seeds": 3}))
    better = "demo-digits-search-0003"
    order = extended.run_all({better: 80.0})
    assert order == [better, *FINALS, "demo-digits-final-seed3"]
    assert extended.record.runs[FINALS[0]].setting == extended.record.runs[better].setting
    kept = list(tmp_path.glob("superseded/*/runs/*.parquet"))
    assert sorted(path.stem for path in kept) == FINALS


def test_extending_without_a_better_setting_keeps_the_final_runs(tmp_path: Path) -> None:
    Driver(tmp_path, **DIGITS).run_all({TRIALS[1]: 70.0})
    extended = Driver(tmp_path, **(DIGITS | {"trials": 4}))
    assert extended.run_all({}) == ["demo-digits-search-0003"]
    assert not (tmp_path / "superseded").exists()


def options_of(results: Path, **changes: Any) -> SearchPlan:
    return make_plan(
        SearchOptions(suite="demo", results=str(results), **({"epochs": 10} | changes))
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 7}, r"^--epochs: .* holds a search with --epochs 10, not 7; repeat"),
        ({"seed": 3}, r"^--seed: .* --seed 0, not 3; .*--fresh"),
        (
            {"precision": "bfloat16", "workers_per_trial": 2},
            r"^--precision: .* --precision auto, not bfloat16; .*--fresh",
        ),
    ],
)
def test_results_of_another_configuration_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    store.write_run(run_row(TRIALS[0]))
    with pytest.raises(PlanError, match=message):
        continue_or_refuse(store, options_of(tmp_path, **changes), DATA, fresh=False)
    more = options_of(tmp_path, trials=20, seeds=5, tasks="digits", workers_per_trial=2)
    assert continue_or_refuse(store, more, DATA, fresh=False) == 0


def test_a_search_that_came_to_nothing_binds_nobody(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path, epochs=7), DATA, fresh=False)
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    assert json.loads((tmp_path / "search-demo.json").read_text())["--epochs"] == "10"


def test_changed_data_is_refused(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path)
    continue_or_refuse(store, plan, DATA, fresh=False)
    store.write_run(run_row(TRIALS[0]))
    told = r"different data of digits \(contents of images of train differ\); .*--fresh"
    with pytest.raises(PlanError, match=rf"^--results: .* {told}"):
        continue_or_refuse(store, plan, plan_data("changed"), fresh=False)


def test_a_second_search_of_the_same_results_is_refused(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    lock = hold_results(store, "demo")
    assert lock is not None
    code = (
        "import sys; from sa2vp.tuning.session import hold_results;"
        "from sa2vp.tuning.store import ResultsStore;"
        "hold_results(ResultsStore(sys.argv[1]), sys.argv[2])"
    )
    for suite, message in (("demo", "is being searched by another run_search.py"), ("hta", "")):
        command = [sys.executable, "-c", code, str(tmp_path), suite]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert other.returncode == bool(message)
        assert message in other.stderr


def test_fresh_starts_over_and_deletes_nothing(tmp_path: Path) -> None:
    Driver(tmp_path, **DIGITS).run_all({})
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    changed = options_of(tmp_path, epochs=7)
    assert continue_or_refuse(store, changed, DATA, fresh=True) == 5
    assert store.read_runs() == []
    assert len(list(tmp_path.glob("superseded/*/runs/*.parquet"))) == 5
    assert json.loads((tmp_path / "search-demo.json").read_text())["--epochs"] == "7"


def reported(driver: Driver, epochs: int, top1: float) -> str:
    """Start a trial and report so many epochs, without an end."""
    run_id = str(driver.ask()["run_id"])
    for epoch in range(1, epochs + 1):
        driver.record.report(run_id, metrics(epoch, top1))
    return run_id


def test_a_decision_to_stop_is_not_lost_with_the_driver(tmp_path: Path) -> None:
    options = DIGITS | {"epochs": 10}
    driver = Driver(tmp_path, **options)
    driver.finish(reported(driver, 10, 80.0), 80.0)
    behind = reported(driver, 2, 50.0)  # epoch 2 is a rung; killed before the end was entered
    again = Driver(tmp_path, **options)
    make_scheduler(again.plan, again.record)
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
    make_scheduler(again.plan, again.record)
    assert again.record.runs[TRIALS[0]].status == "completed"  # it had done all of its epochs
    ahead = reported(again, 2, 80.0)
    once_more = Driver(tmp_path, **options)
    make_scheduler(once_more.plan, once_more.record)
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


@pytest.mark.parametrize("cut", [ARRAYS_FILE, COUNTERS_FILE])
def test_a_checkpoint_that_was_copied_in_part_is_passed_over(tmp_path: Path, cut: str) -> None:
    driver = Driver(tmp_path, **DIGITS)
    config = driver.ask()
    run_id = config["run_id"]
    folders = [tmp_path / "tune" / "then" / run_id / f"checkpoint_00000{n}" for n in (0, 1)]
    for epoch, folder in enumerate(folders, start=1):
        driver.record.report(run_id, metrics(epoch, 30.0))
        arrays = {"learned/prompt": torch.zeros(100)}
        Checkpoint(arrays, epoch=epoch, step=1, settings=config["settings"]).save(folder)
    assert Driver(tmp_path, **DIGITS).ask()["resume"] == str(folders[1])
    damaged = folders[1] / cut
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert Driver(tmp_path, **DIGITS).ask()["resume"] == str(folders[0])
    damaged.unlink()
    assert Driver(tmp_path, **DIGITS).ask()["resume"] == str(folders[0])
