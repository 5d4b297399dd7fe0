"""Results are continued with what they were searched with, or refused, or set aside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from driver import (
    DATA,
    DIGITS,
    TRIALS,
    Driver,
    options_of,
    plan_data,
)
from rows import run_row

from sa2vp.options import OptionError
from sa2vp.results.packing import pack
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.session import continue_or_refuse, hold_results, settle


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 7}, r"^--epochs: .* holds a search with --epochs 10, not 7; repeat"),
        ({"seed": 3}, r"^--seed: .* --seed 0, not 3; .*--fresh"),
        (
            {"weight_decay": 0.1},
            r"^--weight-decay: .* holds a search with --weight-decay 0\.0001, not 0\.1; repeat",
        ),
        ({"grad_clip": 1}, r"^--grad-clip: .* --grad-clip none, not 1\.0; repeat"),
        ({"fusion": "acc"}, r"^--fusion: .* --fusion exact, not acc; rep"),
        ({"reduction_factor": 4.0, "workers_per_trial": 2}, r"^--reduction-factor: .* 3.*, not 4"),
    ],
)
def test_results_of_another_configuration_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    store.write_run(run_row(TRIALS[0]))
    with pytest.raises(OptionError, match=message):
        continue_or_refuse(store, options_of(tmp_path, **changes), DATA, fresh=False)
    more = options_of(tmp_path, trials=20, seeds=5, tasks="digits", workers_per_trial=2)
    assert continue_or_refuse(store, more, DATA, fresh=False) == 0


def test_a_search_that_came_to_nothing_binds_nobody(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, options_of(tmp_path, epochs=7), DATA, fresh=False)
    continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)
    assert json.loads((tmp_path / "search-demo.json").read_text())["search"]["epochs"] == 10


def test_changed_data_is_refused(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path)
    continue_or_refuse(store, plan, DATA, fresh=False)
    store.write_run(run_row(TRIALS[0]))
    told = r"different data of digits \(contents of images of train differ\); .*--fresh"
    with pytest.raises(OptionError, match=rf"^--results: .* {told}"):
        continue_or_refuse(store, plan, plan_data("changed"), fresh=False)


def test_a_second_search_of_the_same_results_is_refused(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    lock = hold_results(store, "demo")
    assert lock is not None
    code = (
        "import sys; from sa2vp.tuning.session import hold_results;"
        "from sa2vp.results.store import ResultsStore;"
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
    assert json.loads((tmp_path / "search-demo.json").read_text())["search"]["epochs"] == 7


def test_what_shows_on_the_cluster_is_not_mixed_either(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path)
    continue_or_refuse(store, plan, DATA, fresh=False)
    settle(store, plan, {"precision": "float32", "backbone_fingerprint": "beef"})
    store.write_run(run_row(TRIALS[0]))
    with pytest.raises(OptionError, match=r"^--precision: .* --precision float32, not bfloat16"):
        settle(store, plan, {"precision": "bfloat16", "backbone_fingerprint": "beef"})
    with pytest.raises(OptionError, match=r"^--results: .* a different backbone fingerprint; "):
        settle(store, plan, {"precision": "float32", "backbone_fingerprint": "f00d"})
    asked = options_of(tmp_path, precision="bfloat16")  # told before a cluster is started
    with pytest.raises(OptionError, match=r"^--precision: .* --precision float32, not bfloat16"):
        continue_or_refuse(store, asked, DATA, fresh=False)
    continue_or_refuse(store, options_of(tmp_path, precision="float32"), DATA, fresh=False)


def test_runs_of_other_methods_bind_nobody_and_stay(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path, **DIGITS)
    probe = "demo-digits-linear-search-0000"
    store.write_run(run_row(probe, method="linear", phase="search", suite="demo", task="digits"))
    continue_or_refuse(store, plan, DATA, fresh=False)
    Driver(tmp_path, **DIGITS).run_all({})
    other = options_of(tmp_path, **(DIGITS | {"epochs": 5}))
    assert continue_or_refuse(store, other, DATA, fresh=True) == 5
    assert store.run_ids() == [probe]


def test_fresh_sets_aside_what_another_version_has_packed(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path, **DIGITS)
    continue_or_refuse(store, plan, DATA, fresh=False)
    Driver(tmp_path, **DIGITS).run_all({})
    pack(tmp_path, lambda: None)
    (packed,) = (tmp_path / "runs").iterdir()
    pq.write_table(pq.read_table(packed).drop_columns(["uid"]), packed)
    assert continue_or_refuse(store, plan, DATA, fresh=True) == 5
    assert store.run_ids() == []


def test_a_recipe_is_run_beside_the_search_of_another_task(tmp_path: Path) -> None:
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path, **DIGITS)
    continue_or_refuse(store, plan, DATA, fresh=False)
    Driver(tmp_path, **DIGITS).run_all({})
    names = ["suite", "backbone", "backbone_fingerprint", "method", "epochs_planned"]
    lines = ["demo", "demo", "beef", "sa2vp", 4]
    recipe = tmp_path / "location.toml"
    values = dict(zip(names, lines, strict=True)) | {
        "task": "location", "data_fingerprint": "f00d", "precision": "float32", "image_size": 32,
        "searched": ["lr"],
    }  # fmt: skip
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    run = "inter_dim = 8\ninter_weight = 0.5\nlr = 1e-3\nbatch_size = 40"
    recipe.write_text(f"{text}\n[hyperparameters]\n{run}\n[test_top1]\n1 = 40.0\n")
    repeated = make_plan(recipe=recipe, results=str(tmp_path))
    continue_or_refuse(store, repeated, DATA, fresh=False)
    continue_or_refuse(store, plan, DATA, fresh=False)  # and the search goes on


def test_rows_without_a_note_of_their_search_are_refused(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    store.write_run(run_row(TRIALS[0]))
    with pytest.raises(OptionError, match=r"search-demo\.json, which says how .* is gone; put it"):
        continue_or_refuse(store, options_of(tmp_path), DATA, fresh=False)


def test_fresh_takes_the_tasks_that_are_named(tmp_path: Path) -> None:
    both = {"tasks": "digits,location", "trials": 1, "seeds": 1}
    store, plan = ResultsStore(str(tmp_path)), options_of(tmp_path, **both)
    continue_or_refuse(store, plan, DATA, fresh=False)
    Driver(tmp_path, **both).run_all({})
    kept = ["demo-location-final-seed1", "demo-location-search-0000"]
    other = options_of(tmp_path, **(both | {"tasks": "digits", "epochs": 7}))
    with pytest.raises(OptionError, match=r"^--epochs: "):  # location's stay, and had 10
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


def test_another_method_is_searched_beside_in_the_same_folder(tmp_path: Path) -> None:
    plain = options_of(tmp_path, **DIGITS)
    linear = options_of(tmp_path, method="linear", **(DIGITS | {"epochs": 5}))
    store = ResultsStore(str(tmp_path))
    continue_or_refuse(store, plain, DATA, fresh=False)
    Driver(tmp_path, **DIGITS).run_all({})
    continue_or_refuse(store, linear, DATA, fresh=False)  # with other epochs: it is another search
    driver = Driver(tmp_path, method="linear", **DIGITS)
    names = [f"demo-digits-linear-search-000{number}" for number in range(3)]
    finals = [f"demo-digits-linear-final-seed{seed}" for seed in (1, 2)]
    assert driver.run_all({}) == [*names, *finals]
    row = driver.record.runs[finals[0]]
    assert (row.method, row.inter_dim, row.dropout, row.fusion) == ("linear", None, None, None)
    assert [*row.configuration] == ["lr", "batch_size"]
    changed = options_of(tmp_path, method="linear", **(DIGITS | {"epochs": 6}))
    with pytest.raises(OptionError, match=r"^--epochs: .* --epochs 5, not 6"):
        continue_or_refuse(store, changed, DATA, fresh=False)
    assert continue_or_refuse(store, linear, DATA, fresh=True) == 5
    assert store.run_ids() == sorted(
        [*TRIALS, "demo-digits-final-seed1", "demo-digits-final-seed2"]
    )
    assert continue_or_refuse(store, plain, DATA, fresh=False) == 0


def test_another_content_of_a_method_s_file_is_another_search(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from sa2vp.methods.linear import Linear\n\n\nclass Mine(Linear):\n    name = 'mine'\n"
    )
    store, results = ResultsStore(str(tmp_path / "results")), tmp_path / "results"
    options = {"method": f"{file}:Mine", **DIGITS}
    continue_or_refuse(store, options_of(results, **options), DATA, fresh=False)
    row = {"suite": "demo", "task": "digits", "phase": "search", "method": "mine"}
    store.write_run(run_row("demo-digits-mine-search-0000", **row))
    file.write_text(file.read_text() + "\n")
    with pytest.raises(
        OptionError, match=r"^--method: .* holds a search with --method Mine \w{16}"
    ):
        continue_or_refuse(store, options_of(results, **options), DATA, fresh=False)
