"""Importances of searches in which it is plain what mattered."""

import numpy as np
import pandas as pd
import pytest
from synthetic_results import run_row, runs_frame

from analysis import importance
from analysis.importance import importances


def trials(count: int, **changes: object) -> pd.DataFrame:
    """Trials whose accuracy depends on lr alone, with other settings drawn at random."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        lr = float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-2))))
        rows.append(
            run_row(
                f"demo-digits-search-{number:04d}",
                inter_dim=int(rng.choice([4, 8, 16])),
                inter_weight=float(rng.uniform(0.1, 2)),
                batch_size=int(rng.choice([20, 40])),
                lr=lr,
                last_val_top1=100 + 10 * np.log10(lr),
                **changes,
            )
        )
    return runs_frame(rows)


@pytest.mark.parametrize("most", [500, 10])
def test_what_decides_alone_is_the_most_important(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(importance, "MOST_FOR_FANOVA", most)  # beyond: PED-ANOVA
    shares = importances(trials(60))
    assert shares.index[0] == "lr"
    assert shares.sum() == pytest.approx(1)
    assert shares["lr"] > 0.7
    pd.testing.assert_series_equal(importances(trials(60)), shares)


def test_trials_that_were_stopped_say_nothing_of_full_runs() -> None:
    assert importances(trials(60, status="stopped")).empty
    assert importances(trials(4)).empty


def test_what_never_varied_is_left_out() -> None:
    same = trials(20).assign(batch_size=20)
    assert set(importances(same).index) == {"inter_dim", "inter_weight", "lr"}
    assert importances(trials(20).assign(last_val_top1=50.0)).empty
