"""The model decides on one thread, and leaves the others' number as it was."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sa2vp.forecast import decisions
from sa2vp.forecast.curves import Trial
from sa2vp.forecast.decisions import Forecaster
from search_spaces import LogUniform


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_decision_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    expect = decisions.CurveProcess.expect

    def watching(process: decisions.CurveProcess, places: decisions.Places) -> object:
        seen.append(blas_threads())
        return expect(process, places)

    monkeypatch.setattr(decisions.CurveProcess, "expect", watching)
    trials = [Trial(n, {"lr": 1e-3 * (n + 1)}, (50.0 + n,), "running") for n in range(7)]
    forecaster = Forecaster({"lr": LogUniform(1e-4, 1e-1)}, 8, 200, seed=0, task="digits")
    with threadpool_limits(2, user_api="blas"):
        forecaster.judge(trials, 3)
        forecaster.next(trials, 7)
        assert blas_threads() == {2}
    assert seen == [{1}, {1}]
