"""The order of runs, driven as Tune drives it but without a cluster: search, then final runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher
from rows import metrics, run_row

from sa2vp.data.fingerprint import Manifest
from sa2vp.training.checkpoint import Checkpoint
from sa2vp.tuning.plan import PlanError, SearchOptions, SearchPlan, make_plan
from sa2vp.tuning.plan_data import PlanData
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.provenance import gather_provenance
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import continue_or_refuse
from sa2vp.tuning.store import ResultsStore

TASKS = ("digits", "location", "orientation")


def plan_data(contents: str = "same") -> PlanData:
    split = {"images": 320, "labels": "same", "contents": contents}
    manifests = {task: Manifest({"train": split}) for task in TASKS}
    return PlanData(manifests, {task: ["0", "1"] for task in TASKS})


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


def test_a_free_slot_goes_to_the_next_task_while_trials_are_open(tmp_path: Path) -> None:
    driver = Driver(tmp_path, slots=3, tasks="digits,location", trials=2, seeds=1)
    started = [driver.ask()["run_id"] for _ in range(3)]
    assert started == [*TRIALS[:2], "demo-location-search-0000"]
    assert driver.ask() is None  # every slot is taken
    driver.finish(TRIALS[0], 60.0)
    assert driver.ask()["run_id"] == "demo-location-search-0001"  # digits still waits for a trial
    driver.finish(TRIALS[1], 50.0)
    assert driver.ask()["run_id"] == FINALS[0]
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


def test_fresh_starts_over_and_deletes_nothing(tmp_path: Path) -> None:
    Driver(tmp_path, **DIGITS).run_all({})
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    changed = options_of(tmp_path, epochs=7)
    assert continue_or_refuse(store, changed, DATA, fresh=True) == 5
    assert store.read_runs() == []
    assert len(list(tmp_path.glob("superseded/*/runs/*.parquet"))) == 5
    assert json.loads((tmp_path / "search-demo.json").read_text())["--epochs"] == "7"
