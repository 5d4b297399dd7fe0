"""What charts promise beyond their looks."""

import warnings

import numpy as np
import pandas as pd
import pytest
from synthetic_results import run_row, runs_frame

from analysis import charts
from analysis.charts import apart
from analysis.comparison import MeanRanks


def test_names_are_moved_apart_and_stay_in_order() -> None:
    assert apart(np.array([0.1, 0.5]), 0.1).tolist() == [0.1, 0.5]
    assert apart(np.array([0.5, 0.52, 0.53]), 0.1) == pytest.approx([0.5, 0.6, 0.7])
    assert apart(np.array([0.9, 0.97, 0.98]), 0.1) == pytest.approx([0.8, 0.9, 1.0])
    assert apart(np.array([]), 0.1).tolist() == []


def test_the_same_frames_give_the_same_drawing() -> None:
    trials = runs_frame([run_row(f"demo-digits-search-000{n}", lr=0.01 * n + 1e-3) for n in (0, 1)])
    assert charts.rungs("digits", trials) == charts.rungs("digits", trials)
    first = charts.parallel_coordinates("digits", trials)
    assert first == charts.parallel_coordinates("digits", trials)
    assert "currentColor" in first


def test_what_is_written_into_a_chart_is_escaped() -> None:
    svg = charts.confusion("<script>", np.eye(2, dtype=int), ["<b>", "a & b"])
    assert "<script>" not in svg
    assert "&lt;b&gt;" in svg
    assert "a &amp; b" in svg


def test_letters_that_matplotlib_cannot_draw_are_the_page_s_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = charts.confusion("猫と犬", np.eye(2, dtype=int), ["猫", "👩"])
    assert ">猫</text>" in svg
    assert ">👩</text>" in svg


def test_critical_differences_name_every_method_and_escape_it() -> None:
    ranks = MeanRanks(pd.Series({"lora": 1.2, "<b>": 1.8, "bias": 3.0}), 9, 0.01, 1.0)
    svg = charts.critical_differences("Mean ranks", ranks)
    assert ">lora</text>" in svg
    assert "&lt;b&gt;" in svg
    assert svg == charts.critical_differences("Mean ranks", ranks)
