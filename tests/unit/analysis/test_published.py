"""The published numbers agree with one another."""

import pandas as pd
import pytest

from analysis.published import (
    CHECKED,
    checked_note,
    read_accuracy,
    read_group_means,
    sa2vp_accuracy,
    sa2vp_group_means,
)

GROUP = ["benchmark", "group", "method", "backbone"]


def test_group_means_are_the_means_of_their_tasks() -> None:
    means = read_group_means().set_index(GROUP)["mean_of_tasks"].dropna()
    recomputed = read_accuracy().groupby(GROUP)["top1_percent"].mean()
    assert set(means.index) == set(recomputed.index)
    # The file keeps three decimals.
    pd.testing.assert_series_equal(
        means, recomputed[means.index], check_names=False, rtol=0, atol=5.1e-4
    )


def test_every_task_is_published_once_per_method_and_backbone() -> None:
    assert not read_accuracy().duplicated(["benchmark", "task", "method", "backbone"]).any()


def test_every_value_has_a_source_and_a_mark_that_is_explained() -> None:
    for frame in (read_accuracy(), read_group_means()):
        assert frame["source"].notna().all()
        assert set(frame["checked"]) <= set(CHECKED)


@pytest.mark.parametrize(("benchmark", "tasks"), [("fgvc", 5), ("vtab-1k", 19), ("demo", 0)])
def test_sa2vp_is_published_on_vit_for_fgvc_and_vtab(benchmark: str, tasks: int) -> None:
    rows = sa2vp_accuracy(read_accuracy(), benchmark)
    assert len(rows) == tasks
    assert set(rows["method"]) <= {"sa2vp"}


def test_the_stated_means_stand_beside_the_recomputed_ones() -> None:
    means = sa2vp_group_means(read_group_means(), read_accuracy())
    fgvc = means.set_index("group").loc["fgvc"]
    # (89.1 + 85.8 + 99.3 + 92.1 + 84.1) / 5 = 450.4 / 5
    assert fgvc["task_mean_percent"] == pytest.approx(90.08)
    assert fgvc["stated_mean_percent"] == pytest.approx(90.08)
    assert fgvc["tasks"] == 5
    swin = means[means["backbone"] == "Swin-B"]
    assert len(swin) == 3
    assert swin["task_mean_percent"].isna().all()


def test_the_note_explains_only_the_marks_that_occur() -> None:
    note = checked_note(pd.DataFrame({"checked": ["unchecked", "unchecked"]}))
    assert note.startswith("checked: unchecked = ")
    assert "row-mean" not in note
