"""The studies say what the results say, whatever has happened to their file."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from driver import Driver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from power import Disk, cutting
from rows import epoch_row, run_row

from sa2vp.results.store import ResultsStore
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.study_file import KeepStudies

RUNS = [f"demo-digits-search-000{number}" for number in range(3)]
SAID = {
    RUNS[0]: ("COMPLETE", {1: 50.0, 2: 62.5}, 0.001),
    RUNS[1]: ("PRUNED", {1: 37.5}, 0.002),
    RUNS[2]: ("FAIL", {}, 0.003),
}
"""State, accuracies and learning rate of each trial."""


def fill(results: Path) -> None:
    store = ResultsStore(str(results))
    statuses = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "failed"}
    for run_id, (state, accuracies, lr) in SAID.items():
        store.write_epochs(run_id, [epoch_row(run_id, *one) for one in accuracies.items()])
        row = run_row(run_id, status=statuses[state], epochs_done=len(accuracies), lr=lr)
        store.write_run(row)


def open_studies(results: Path) -> KeepStudies:
    plan = make_plan(suite="demo", tasks="digits", results=str(results), epochs=10)
    store = ResultsStore(str(results))
    return KeepStudies(plan, RunRecord(store, "demo"), store)


def said_in(results: Path) -> dict[str, tuple[str, dict[int, float], Any]]:
    storage = JournalStorage(JournalFileBackend(str(results / "optuna-demo.log")))
    study = optuna.load_study(study_name="demo/digits", storage=storage)
    assert study.direction == StudyDirection.MAXIMIZE
    assert len(study.trials) == len(SAID)
    return {
        trial.user_attrs["run_id"]: (
            trial.state.name, dict(trial.intermediate_values), trial.params["lr"]
        )
        for trial in study.trials
    }  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    fill(results)
    return results


@pytest.fixture(scope="module")
def journal(results: Path) -> bytes:
    open_studies(results)
    return (results / "optuna-demo.log").read_bytes()


def test_a_file_that_says_the_same_is_left_as_it_is(results: Path, journal: bytes) -> None:
    file = results / "optuna-demo.log"
    file.write_bytes(journal)
    open_studies(results)
    assert file.read_bytes().startswith(journal)
    assert said_in(results) == SAID


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_changed_or_cut_file_is_made_anew(
    results: Path, journal: bytes, data: st.DataObject
) -> None:
    content = bytearray(journal)
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        content = content[:place]
    (results / "optuna-demo.log").write_bytes(content)
    open_studies(results)
    assert said_in(results) == SAID


def test_optuna_is_quiet_before_its_studies_are_opened(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)  # as Optuna ships it
    Driver(tmp_path, tasks="digits", trials=2)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_an_accuracy_that_has_changed_is_noticed(results: Path, journal: bytes) -> None:
    assert journal.count(b"62.5") == 2
    (results / "optuna-demo.log").write_bytes(journal.replace(b"62.5", b"72.5"))
    open_studies(results)
    assert said_in(results) == SAID


def test_a_trial_that_was_stopped_and_went_on_is_there_as_both(tmp_path: Path) -> None:
    fill(tmp_path)
    open_studies(tmp_path)
    store = ResultsStore(str(tmp_path))
    epochs = [epoch_row(RUNS[1], 1, 37.5), epoch_row(RUNS[1], 2, 70.0)]
    store.write_epochs(RUNS[1], epochs)
    store.write_run(run_row(RUNS[1], status="completed", epochs_done=2, lr=0.002))
    file = tmp_path / "optuna-demo.log"
    before = file.read_bytes()
    for _ in range(2):
        open_studies(tmp_path)
        assert file.read_bytes().startswith(before)  # not made anew
    storage = JournalStorage(JournalFileBackend(str(file)))
    study = optuna.load_study(study_name="demo/digits", storage=storage)
    found = [t for t in study.trials if t.user_attrs["run_id"] == RUNS[1]]
    assert [(t.state.name, t.intermediate_values) for t in found] == [
        ("PRUNED", {1: 37.5}), ("COMPLETE", {1: 37.5, 2: 70.0})
    ]  # fmt: skip


def test_the_studies_are_whole_again_after_a_power_cut(tmp_path: Path) -> None:
    root, left, rng = tmp_path / "results", tmp_path / "left", random.Random(0)
    for folder in (root, left):
        folder.mkdir()
    fill(root)
    found: list[Path] = []

    def cut(disk: Disk) -> None:
        found.append(left / str(len(found)))
        disk.cut(found[-1], lambda _: rng.random() < 0.5)

    with cutting(root, cut):
        open_studies(root)
    assert len(found) > 4
    for folder in found:
        open_studies(folder)
        assert said_in(folder) == SAID


def test_the_lock_of_a_killed_search_does_not_hold_up_the_next(
    results: Path, journal: bytes
) -> None:
    (results / "optuna-demo.log").write_bytes(journal)
    # As after the results were moved: it points to a file that is no longer there.
    (results / "optuna-demo.log.lock").symlink_to("/nowhere/optuna-demo.log")
    open_studies(results)
    assert not (results / "optuna-demo.log.lock").is_symlink()


def test_a_file_that_is_damaged_meanwhile_ends_no_search(results: Path, journal: bytes) -> None:
    (results / "optuna-demo.log").write_bytes(journal[:-200])
    studies = open_studies(results)
    (results / "optuna-demo.log").write_bytes(b"{broken\n{}\n" * 5000)
    studies.on_trial_complete(trial=SimpleNamespace(config={"run_id": RUNS[0]}))
    open_studies(results)
    assert said_in(results) == SAID
