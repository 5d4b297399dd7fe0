"""Ranks and tests between methods, against values worked by hand and printed in papers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from synthetic_results import run_row

from analysis.comparison import MeanRanks, against, effort, holm, mean_ranks, methods_compared
from analysis.frames import read_results
from analysis.report import report


def test_holm_by_hand() -> None:
    # In order 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1, and none below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


def test_ranks_are_means_over_tasks_and_ties_share_them() -> None:
    accuracies = pd.DataFrame({"a": [90.0, 80.0], "b": [70.0, 80.0], "c": [50.0, 60.0]})
    found = mean_ranks(accuracies)
    assert found.ranks.to_dict() == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert found.tasks == 2


def test_the_critical_difference_is_that_of_the_paper() -> None:
    # Demšar 2006, section 3.2.2: four classifiers, 14 data sets: q is 2.569, the difference 1.25.
    accuracies = pd.DataFrame({name: range(place, place + 14) for place, name in enumerate("abcd")})
    assert mean_ranks(accuracies).critical_difference == pytest.approx(1.25, abs=0.005)


def test_cliques_are_the_largest_groups_within_the_critical_difference() -> None:
    ranks = pd.Series({"a": 1.0, "b": 1.8, "c": 2.6, "d": 4.6})
    assert MeanRanks(ranks, 9, 0.01, 1.0).cliques() == [["a", "b"], ["b", "c"]]
    assert MeanRanks(ranks, 9, 0.01, 0.1).cliques() == []
    assert MeanRanks(ranks, 9, 0.01, 9.0).cliques() == [["a", "b", "c", "d"]]


def runs(*gains: float) -> pd.DataFrame:
    """Final runs of sa2vp, a seed each, and of lora, so many points better, on two tasks."""
    rows = []
    for task in ("digits", "location"):
        for seed, gain in enumerate(gains, start=1):
            for method, top1 in (("sa2vp", 50.0), ("lora", 50.0 + gain)):
                rows.append(
                    run_row(
                        f"demo-{task}-{method}-final-seed{seed}",
                        phase="final", task=task, method=method, seed=seed, test_top1=top1,
                    )
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_methods_are_paired_by_task_and_seed() -> None:
    (row,) = against(runs(1.0, 2.0, 3.0), "sa2vp").to_dict("records")
    assert (row["method"], row["pairs"], row["difference"]) == ("lora", 6, 2.0)
    assert row["holm_p_value"] == row["p_value"]
    assert row["p_value"] < 0.05  # the least of six pairs of one sign is 2 / 2**6
    (same,) = against(runs(0.0), "sa2vp").to_dict("records")
    assert same["p_value"] == 1.0


def test_the_comparison_says_how_hard_each_was_tuned() -> None:
    search = [
        run_row(f"demo-digits-search-000{n}", phase="search", epochs_done=4, seconds=10.0)
        for n in (0, 1)
    ]
    frame = pd.concat([runs(1.0), pd.DataFrame(search)], ignore_index=True)
    (row,) = effort(frame).to_dict("records")
    assert row == {"method": "sa2vp", "trials": 2, "search_epochs": 8, "search_seconds": 20.0}
    compared, ranks = methods_compared(frame, "sa2vp")
    assert compared["method"].tolist() == ["lora", "sa2vp"]
    assert compared["mean_rank"].tolist() == [1.0, 2.0]
    assert ranks is not None


def test_the_tables_show_the_tests_once_there_are_methods_to_compare(
    write_results: Callable[..., Path],
) -> None:
    folder = write_results(runs(1.0, 2.0).to_dict("records"))
    tables = {table.name: table for table in report(read_results(str(folder)))}
    (shown,) = (table for name, table in tables.items() if name.startswith("tests"))
    text = shown.text().set_index("method")
    assert text.loc["lora", "over sa2vp"] == "+1.50"
    assert text.loc["lora", "mean rank"] == "1.00"
    # Two methods, two tasks: q is 1.960, times the root of 2 * 3 / 12.
    assert any("critical difference at 5 %: 1.39. Not told apart: (lora, sa2vp)." in note
               for note in shown.notes)  # fmt: skip
