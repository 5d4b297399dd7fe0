"""The order of runs, driven as Tune drives it but without a cluster: search, then final runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ray.tune.search import Searcher
from rows import epoch_row, metrics, run_row

from sa2vp.data.fingerprint import Manifest
from sa2vp.training.checkpoint import ARRAYS_FILE, COUNTERS_FILE, Checkpoint
from sa2vp.tuning.callbacks import RecordRuns
from sa2vp.tuning.errors import PlanError
from sa2vp.tuning.options import SearchOptions, make_plan
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.plan_data import PlanData
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.rows import Decision
from sa2vp.tuning.session import continue_or_refuse, hold_results, settle
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
            DATA.manifests,
            {"CPU": 1.0},
            lambda: slots,
            "float32",
        )
        self.ids: dict[str, str] = {}
        self.configs: dict[str, Any] = {}

    def ask(self) -> Any:
        trial_id = f"tune-{len(self.ids)}"
        config = self.searcher.suggest(trial_id)
        if isinstance(config, dict):
            self.ids[config["run_id"]] = trial_id
            self.configs[config["run_id"]] = config
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
    assert runs[TRIALS[0]].setting == dict(driver.plan.space("digits").initial[0])


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
    assert once_more.record.retry_failed(["digits"]) == 1
    searcher = ProtocolSearcher(
        once_more.plan, once_more.record, DATA.manifests, {"CPU": 1.0}, lambda: 1, "float32"
    )
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
    checkpoint_of(interrupted, 3).save(folder)

    second = Driver(tmp_path, **DIGITS)
    continued = second.ask()
    assert continued["run_id"] == interrupted["run_id"]
    assert continued["settings"] == interrupted["settings"]
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
    assert [row.setting for row in pieces] == [
        row.setting for row in whole.record.of("digits", "search")
    ]


def checkpoint_of(config: dict[str, Any], epoch: int, **changes: Any) -> Checkpoint:
    """What a run's worker saves after an epoch."""
    values = {"settings": config["settings"], "run": config["identity"], "start": config["start"]}
    return Checkpoint({"learned/prompt": torch.zeros(9)}, epoch=epoch, step=1, **(values | changes))


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
        ({"reduction_factor": 4.0, "workers_per_trial": 2}, r"^--reduction-factor: .* 3.*, not 4"),
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
    assert json.loads((tmp_path / "search-demo.json").read_text())["search"]["--epochs"] == "10"


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
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    Driver(tmp_path, **DIGITS).run_all({})
    changed = options_of(tmp_path, epochs=7)
    assert continue_or_refuse(store, changed, DATA, fresh=True) == 5
    assert store.read_runs() == []
    assert len(list(tmp_path.glob("superseded/*/runs/*.parquet"))) == 5
    assert json.loads((tmp_path / "search-demo.json").read_text())["search"]["--epochs"] == "7"


def reported(driver: Driver, epochs: int, top1: float, decision: Decision | None = None) -> str:
    """Start a trial and report so many epochs, without an end; a decision is on the last."""
    run_id = str(driver.ask()["run_id"])
    for epoch in range(1, epochs + 1):
        last = epoch == epochs
        driver.record.report(run_id, metrics(epoch, top1), decision if last else "continue")
    return run_id


def test_a_decision_to_stop_is_not_lost_with_the_driver(tmp_path: Path) -> None:
    options = DIGITS | {"epochs": 10}
    driver = Driver(tmp_path, **options)
    driver.finish(reported(driver, 10, 80.0), 80.0)
    behind = reported(driver, 2, 50.0, "stop")  # killed before the end was entered
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
    ahead = reported(again, 2, 80.0, "continue")
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
    scheduler = make_scheduler(driver.plan, driver.record)
    first, second = driver.ask()["run_id"], driver.ask()["run_id"]
    # The second trial reaches the rung at epoch 2 first; the first, better one follows.
    for run_id, top1 in ((second, 50.0), (first, 80.0)):
        trial = SimpleNamespace(config=driver.configs[run_id])
        for epoch in (1, 2):
            result = metrics(epoch, top1)
            decision = scheduler.on_trial_result(None, trial, result)
            RecordRuns(driver.record, lambda: None).on_trial_result(
                trial=trial, result=result | {"done": decision == "STOP"}
            )
    assert [epoch.decision for epoch in driver.record.epochs[second]] == ["continue"] * 2
    again = Driver(tmp_path, **options)
    make_scheduler(again.plan, again.record)
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
    make_scheduler(cut.plan, cut.record)
    assert cut.record.runs[FINALS[0]].status == "running"
    checkpoint_of(config, 10).save(last)
    whole = Driver(tmp_path, **options)
    make_scheduler(whole.plan, whole.record)
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


def test_what_shows_on_the_cluster_is_not_mixed_either(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path)
    continue_or_refuse(store, plan, DATA, fresh=False)
    settle(store, plan, {"--precision": "float32", "backbone": "beef"})
    store.write_run(run_row(TRIALS[0]))
    with pytest.raises(PlanError, match=r"^--precision: .* --precision float32, not bfloat16"):
        settle(store, plan, {"--precision": "bfloat16", "backbone": "beef"})
    with pytest.raises(PlanError, match=r"^--results: .* a different backbone; "):
        settle(store, plan, {"--precision": "float32", "backbone": "f00d"})
    asked = options_of(tmp_path, precision="bfloat16")  # told before a cluster is started
    with pytest.raises(PlanError, match=r"^--precision: .* --precision float32, not bfloat16"):
        continue_or_refuse(store, asked, DATA, fresh=False)
    continue_or_refuse(store, options_of(tmp_path, precision="float32"), DATA, fresh=False)


def test_rows_without_a_note_of_their_search_are_refused(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    store.write_run(run_row(TRIALS[0]))
    with pytest.raises(PlanError, match=r"search-demo\.json, which says how .* is gone; put it"):
        continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)


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


def test_the_test_accuracy_at_the_best_validation_epoch_is_the_first_of_equals(
    tmp_path: Path,
) -> None:
    driver = Driver(tmp_path, tasks="digits", trials=1, seeds=1)
    driver.finish(driver.ask()["run_id"], 50.0)
    run_id = driver.ask()["run_id"]
    reached = [(60.0, 41.0), (70.0, 42.0), (70.0, 45.0), (65.0, 44.0)]
    for epoch, (val, test) in enumerate(reached, start=1):
        driver.record.report(run_id, metrics(epoch, val, test_top1=test))
    row = driver.record.runs[run_id]
    assert (row.test_top1_at_best_val, row.best_epoch_test_top1, row.test_top1) == (
        42.0,
        45.0,
        None,
    )


def test_fresh_takes_the_tasks_that_are_named(tmp_path: Path) -> None:
    both = {"tasks": "digits,location", "trials": 1, "seeds": 1}
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path, **both)
    continue_or_refuse(store, plan, DATA, fresh=False)
    Driver(tmp_path, **both).run_all({})
    kept = ["demo-location-final-seed1", "demo-location-search-0000"]
    other = options_of(tmp_path, **(both | {"tasks": "digits", "epochs": 7}))
    with pytest.raises(PlanError, match=r"^--epochs: "):  # location's stay, and had 10
        continue_or_refuse(store, other, DATA, fresh=True)
    assert len(store.run_ids()) == 4
    one = options_of(tmp_path, **(both | {"tasks": "digits"}))
    assert continue_or_refuse(store, one, plan_data("changed"), fresh=True) == 2
    assert store.run_ids() == kept
    noted = json.loads((tmp_path / "search-demo.json").read_text())["tasks"]
    assert noted["digits"]["data"] != noted["location"]["data"]


def test_an_interrupted_fresh_is_finished_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path, **DIGITS)
    continue_or_refuse(store, plan, DATA, fresh=False)
    Driver(tmp_path, **DIGITS).run_all({})
    left = iter(range(5))

    def replace(source: Path, target: Path) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        source.rename(target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        continue_or_refuse(store, plan, DATA, fresh=True)
    monkeypatch.undo()
    assert 0 < len(store.run_ids()) < 5
    assert continue_or_refuse(store, plan, DATA, fresh=False) > 0
    assert store.run_ids() == []
    assert len(list(tmp_path.glob("superseded/*/runs/*.parquet"))) == 5
    assert continue_or_refuse(store, plan, DATA, fresh=False) == 0
