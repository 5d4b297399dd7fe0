"""The tables, against numbers worked out by hand."""

import pandas as pd
import pytest
from synthetic_results import linear, run_row, runs_frame

from analysis.published import read_accuracy, sa2vp_accuracy
from analysis.tables import (
    compared_methods,
    counted_runs,
    left_out_runs,
    method_results,
    outdated_results,
    search_summary,
    task_results,
)

NOTHING_PUBLISHED = sa2vp_accuracy(read_accuracy(), "demo")


def by_task(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("task")


def test_seeds_are_averaged_with_the_sample_deviation(demo_frame: pd.DataFrame) -> None:
    digits = by_task(task_results(demo_frame, NOTHING_PUBLISHED)).loc["digits"]
    assert digits["seeds"] == 3
    assert (digits["test_top1_mean"], digits["test_top1_std"]) == (92.0, 2.0)  # of 90, 92, 94
    assert (digits["val_top1_mean"], digits["val_top1_std"]) == (91.0, 2.0)
    assert (digits["best_epoch_test_top1_mean"], digits["best_epoch_test_top1_std"]) == (93.0, 2.0)


def test_one_seed_has_no_deviation(demo_frame: pd.DataFrame) -> None:
    location = by_task(task_results(demo_frame, NOTHING_PUBLISHED)).loc["location"]
    assert location["seeds"] == 1
    assert location["test_top1_mean"] == 80.0
    assert pd.isna(location["test_top1_std"])


def test_configuration_and_parameter_share_come_from_the_final_runs(
    demo_frame: pd.DataFrame,
) -> None:
    rows = by_task(task_results(demo_frame, NOTHING_PUBLISHED))
    assert rows.loc[["digits", "location"], "inter_dim"].tolist() == [8, 16]
    assert rows.loc["digits", "batch_size"] == 64
    assert rows.loc["digits", "trainable_share_pct"] == pytest.approx(2.5)  # 2,000 of 80,000


def test_linear_probe_stands_beside(demo_frame: pd.DataFrame) -> None:
    rows = by_task(task_results(demo_frame, NOTHING_PUBLISHED))
    digits = rows.loc["digits"]
    assert (digits["linear_test_top1_mean"], digits["linear_test_top1_std"]) == (61.0, 1.0)
    assert digits["gain_over_linear"] == 31.0
    assert pd.isna(rows.loc["location", "gain_over_linear"])


def test_mean_row_averages_what_every_task_has(demo_frame: pd.DataFrame) -> None:
    last = task_results(demo_frame, NOTHING_PUBLISHED).iloc[-1]
    assert last["task"] == "mean of 2 tasks"
    assert last["is_mean"]
    assert last["test_top1_mean"] == 86.0  # of 92 and 80
    assert pd.isna(last["linear_test_top1_mean"])  # location has no probe
    assert pd.isna(last["seeds"])


def test_one_task_has_no_mean_row() -> None:
    rows = task_results(runs_frame([run_row("demo-digits-final-seed1")]), NOTHING_PUBLISHED)
    assert rows["task"].tolist() == ["digits"]


def test_a_task_with_a_linear_probe_only_has_a_row() -> None:
    rows = task_results(runs_frame([linear("demo-digits-final-linear")]), NOTHING_PUBLISHED)
    assert rows["linear_test_top1_mean"].tolist() == [90.0]
    assert rows["test_top1_mean"].isna().all()


def test_runs_that_do_not_count_are_named(demo_frame: pd.DataFrame) -> None:
    out = left_out_runs(demo_frame).set_index("run_id")
    assert out["why"].to_dict() == {
        "demo-digits-final-seed4": "failed",
        "demo-location-final-seed2": "running",
    }
    assert out.loc["demo-digits-final-seed4", "reason"] == "loss is nan"


def test_an_earlier_configuration_is_not_mixed_in() -> None:
    runs = runs_frame(
        [
            run_row("demo-digits-final-old", inter_dim=16, begin=0, test_top1=10.0),
            run_row("demo-digits-final-new", inter_dim=32, begin=1, test_top1=90.0),
            linear("demo-digits-final-linear", begin=2),
            run_row("demo-digits-final-empty", begin=3, test_top1=None),
        ]
    )
    assert counted_runs(runs)["run_id"].tolist() == [
        "demo-digits-final-new",
        "demo-digits-final-linear",
    ]
    assert left_out_runs(runs).set_index("run_id")["why"].to_dict() == {
        "demo-digits-final-old": "completed with an earlier configuration",
        "demo-digits-final-empty": "without test top-1",
    }


def test_published_value_stands_beside_the_same_task() -> None:
    runs = runs_frame(
        [
            run_row("fgvc-stanford_dogs-final-seed1", test_top1=91.0),
            run_row("fgvc-cub200-final-seed1", test_top1=89.0),
        ]
    )
    rows = task_results(runs, sa2vp_accuracy(read_accuracy(), "fgvc"))
    assert rows["task"].tolist() == ["cub200", "stanford_dogs", "mean of 2 of 5 tasks"]
    assert rows["published_top1"].tolist() == pytest.approx([89.1, 92.1, 90.6])
    assert rows["test_top1_mean"].tolist() == [89.0, 91.0, 90.0]


def test_groups_have_means_of_their_own() -> None:
    published = sa2vp_accuracy(read_accuracy(), "vtab-1k")
    tasks = ["eurosat", "resisc45", "dmlab", "svhn"]
    tests = [90.0, 80.0, 60.0, 70.0]
    runs = [
        run_row(f"vtab-{task}-final", suite="vtab-1k", test_top1=test)
        for task, test in zip(tasks, tests, strict=True)
    ]
    rows = task_results(runs_frame(runs), published)
    means = rows[rows["is_mean"]]
    assert means["task"].tolist() == ["specialized mean, 2 of 4", "mean of 4 of 19 tasks"]
    assert means["test_top1_mean"].tolist() == [85.0, 75.0]
    assert rows["task"].tolist()[:4] == ["svhn", "eurosat", "resisc45", "dmlab"]


def test_search_summary_counts_and_names_the_best_trial(demo_frame: pd.DataFrame) -> None:
    (row,) = search_summary(demo_frame, NOTHING_PUBLISHED).to_dict("records")
    counts = {name: row[name] for name in ("trials", "completed", "stopped", "failed", "running")}
    assert counts == {"trials": 4, "completed": 1, "stopped": 1, "failed": 1, "running": 1}
    assert row["epochs"] == 5  # 1 + 2 + 2 + 0
    # The failed and the stopped trial have as high an accuracy, but only completed ones compete.
    assert (row["last_val_top1"], row["best_run_id"]) == (90.0, "demo-digits-search-0002")
    assert (row["inter_dim"], row["lr"]) == (32, 0.0005)


def test_equal_accuracy_is_decided_by_validation_loss_then_parameters() -> None:
    names = [f"demo-digits-search-000{number}" for number in range(3)]
    trials = [
        run_row(name, trainable_params=3_000 - n, last_val_loss=loss)
        for n, (name, loss) in enumerate(zip(names, (0.9, 0.7, 0.7), strict=True))
    ]
    (row,) = search_summary(runs_frame(trials), NOTHING_PUBLISHED).to_dict("records")
    assert row["best_run_id"] == names[2]


CONFIRMED = [
    run_row("demo-digits-search-0000", inter_dim=8, last_val_top1=90.0),
    run_row("demo-digits-search-0001", inter_dim=16, last_val_top1=88.0),
    run_row("demo-digits-confirm-0000-seed1", inter_dim=8, last_val_top1=80.0),
    run_row("demo-digits-confirm-0001-seed1", inter_dim=16, last_val_top1=91.0),
]


def test_confirming_runs_decide_before_there_is_a_final_run() -> None:
    others = [
        run_row("demo-location-search-0000", inter_dim=16, last_val_top1=70.0),
        run_row("demo-location-search-0001", inter_dim=8, last_val_top1=71.0),
    ]
    rows = search_summary(runs_frame([*CONFIRMED, *others]), NOTHING_PUBLISHED)
    assert rows["best_run_id"].tolist() == ["demo-digits-search-0001", "demo-location-search-0001"]
    assert rows["last_val_top1"].tolist() == [88.0, 71.0]


def test_final_runs_of_a_configuration_that_is_no_longer_the_best_are_named() -> None:
    final = run_row("demo-digits-final-seed1", inter_dim=16, test_top1=89.0)
    better = run_row("demo-digits-search-0002", inter_dim=32, last_val_top1=95.0)
    assert outdated_results(runs_frame([*CONFIRMED, final])).empty
    outdated = outdated_results(runs_frame([*CONFIRMED, final, better])).to_dict("records")
    assert outdated == [{"task": "digits", "best_run_id": "demo-digits-search-0002"}]
    # Of a recipe's runs there are no trials, and nothing that could be better.
    assert outdated_results(runs_frame([final])).empty


def test_without_trials_or_final_runs_the_frames_are_empty() -> None:
    trial = runs_frame([run_row("demo-digits-search-0001", minutes=None, last_val_top1=None)])
    assert task_results(trial, NOTHING_PUBLISHED).empty
    assert search_summary(trial, NOTHING_PUBLISHED)["last_val_top1"].isna().all()
    assert search_summary(trial.iloc[:0], NOTHING_PUBLISHED).empty


def test_methods_of_a_search_stand_side_by_side() -> None:
    def final(method: str, task: str, seed: int, top1: float) -> dict[str, object]:
        own = {"test_top1": top1, "method": method, "seed": seed, "trainable_params": seed * 100}
        return run_row(f"demo-{task}-final-{method}-seed{seed}", **own)

    runs = runs_frame(
        [
            final("vpt-deep", "digits", 1, 80.0),
            final("vpt-deep", "location", 1, 70.0),
            final("sa2vp", "digits", 1, 90.0),
            final("sa2vp", "digits", 2, 94.0),
        ]
    )
    table = compared_methods(method_results(runs)).set_index("method")
    assert table.index.tolist() == ["sa2vp", "vpt-deep"]
    assert table["digits"].tolist() == [92.0, 80.0]
    assert table.loc["sa2vp", "digits std"] == pytest.approx(8**0.5)  # of 90 and 94
    assert table["mean"].tolist() == [92.0, 80.0]  # of digits, which both have
    assert pd.isna(table.loc["sa2vp", "location"])
    assert table.loc["vpt-deep", ["location", "trainable_params"]].tolist() == [70.0, 100.0]
