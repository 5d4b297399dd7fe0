"""The published numbers agree with one another."""

import pandas as pd
import pytest

from analysis.paper_report import paper_table
from analysis.published import (
    CHECKED,
    PROTOCOLS,
    checked_note,
    comparable,
    read_accuracy,
    read_group_means,
    read_remarks,
    sa2vp_accuracy,
    sa2vp_group_means,
)

GROUP = ["benchmark", "group", "method", "backbone"]


def test_group_means_are_the_means_of_their_tasks() -> None:
    means = read_group_means().set_index(GROUP)["mean_of_tasks"].dropna()
    recomputed = read_accuracy().groupby(GROUP)["top1_percent"].mean()
    assert set(means.index) <= set(recomputed.index)
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


def test_rows_of_other_protocols_are_marked_and_stand_below() -> None:
    accuracy, means = read_accuracy(), read_group_means()
    table = paper_table("vtab-1k", "vit-b16", accuracy, means)
    assert table is not None
    frame = table.frame
    marks = frame.set_index("method")["protocol"]
    assert marks["ssf"] == "other weights"
    assert marks["lora"] == "NOAH's protocol"
    assert marks[["full", "vpt-deep", "vfpt"]].isna().all()
    below = marks.isin(["other weights", "NOAH's protocol", "protocol not known"]).tolist()
    assert below == sorted(below)
    kept = set(comparable(accuracy, "vtab-1k", "vit_b16_in21k")["method"])
    assert {"full", "sa2vp", "vfpt"} <= kept
    assert not kept & {"ssf", "lora", "adapter", "arc"}


def test_what_is_known_to_be_wrong_is_said_beside_the_numbers() -> None:
    accuracy, means = read_accuracy(), read_group_means()
    swin = paper_table("vtab-1k", "swin-b", accuracy, means)
    vit = paper_table("vtab-1k", "vit-b16", accuracy, means)
    assert swin is not None
    assert vit is not None
    notes = "\n".join((*swin.notes, *vit.notes))
    for said in ("a misprint of 76.78", "72.25", "75.83", "calls this row Adapter", "0.81 %"):
        assert said in notes
    # 19 tasks of lora: the total that is printed beside another LoRA's means.
    lora = accuracy.query("benchmark == 'vtab-1k' and method == 'lora'")["top1_percent"]
    assert (len(lora), lora.mean()) == (19, pytest.approx(72.25, abs=0.005))


def test_a_row_that_reprints_another_is_known_as_one() -> None:
    fgvc = (
        read_accuracy().query("benchmark == 'fgvc'").set_index(["method", "task"])["top1_percent"]
    )
    assert fgvc["adapter"].equals(fgvc["adapter-64"])


def test_remarks_are_of_methods_that_are_there_and_protocols_are_explained() -> None:
    methods = {*read_accuracy()["method"], *read_group_means()["method"]}
    for benchmark in ("fgvc", "vtab-1k", "hta"):
        for backbone in ("vit_b16_in21k", "swin_b_in22k"):
            remarks = read_remarks(benchmark, backbone)
            assert set(remarks["method"]) <= methods
            assert set(remarks["protocol"].dropna()) <= set(PROTOCOLS)
