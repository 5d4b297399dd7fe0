"""The spaces of the paper's benchmarks hold the README's settings and start from them."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import pytest

import search_spaces
from sa2vp.suites import TASKS
from search_spaces import remark, task_space

TABLE = Path(search_spaces.__file__).with_name("readme_hyperparameters.csv")
BACKBONES = {"vit_b16": "vit-b16", "swin_b": "swin-b"}


def readme_rows() -> list[dict[str, str]]:
    with TABLE.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "row", readme_rows(), ids=lambda row: f"{row['benchmark']}-{row['backbone']}-{row['task']}"
)
def test_all_of_the_readme_s_configurations_are_tried_first(row: dict[str, str]) -> None:
    space = task_space(row["benchmark"], row["task"], BACKBONES[row["backbone"]])
    names = ("inter_dim", "inter_weight", "lr", "batch_size")
    given = product(*([float(value) for value in row[name].split("|")] for name in names))
    assert [tuple(one[name] for name in names) for one in space.initial] == list(given)


def test_a_swin_is_told_where_the_readme_has_nothing_for_it() -> None:
    remarks = {suite: remark(suite, "swin-b") for suite in ("fgvc", "hta", "vtab-1k", "custom")}
    assert {suite for suite, text in remarks.items() if text} == {"fgvc", "hta"}
    assert "configurations of fgvc for a Swin" in (remarks["fgvc"] or "")
    assert remark("fgvc", "vit-b16") is None


def test_every_task_of_the_benchmarks_has_a_row_in_the_readme_and_a_space() -> None:
    on_vit = {(r["benchmark"], r["task"]) for r in readme_rows() if r["backbone"] == "vit_b16"}
    assert {(t.suite, t.name) for t in TASKS if t.suite != "demo"} == on_vit
    assert len(on_vit) == 34


@pytest.mark.parametrize("name", ["inter_dim", "inter_weight", "lr"])
def test_ranges_reach_beyond_the_readme(name: str) -> None:
    outside = {"inter_dim": 4, "inter_weight": 2.0, "lr": 5e-3}[name]
    assert outside in task_space("fgvc", "cub200", "vit-b16").ranges[name]
