"""The sampler in studies of Optuna's own making."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sa2vp.forecast.sampler import ForecastSampler, range_of
from search_spaces import Choice, LogUniform, Uniform

EPOCHS = 4


def accuracy(lr: float, width: int, kind: str) -> float:
    """Best at an lr of 1e-2, a width of 6 and kind b."""
    off = math.log10(lr / 1e-2) ** 2 + ((width - 6) / 4) ** 2 + (kind == "a")
    return 100 / (1 + math.exp(off - 2))


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    reached = accuracy(
        lr, trial.suggest_int("width", 1, 8), trial.suggest_categorical("kind", "ab")
    )
    for epoch in range(1, EPOCHS + 1):
        trial.report(reached * epoch / EPOCHS, epoch)
        if trial.number % 3 == 2 and epoch == 2:
            raise optuna.TrialPruned
    return reached


def search(seed: int = 0, trials: int = 20) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="toy", direction="maximize", sampler=ForecastSampler(EPOCHS, 1000, seed=seed)
    )
    study.optimize(objective, trials)
    return study


def test_it_finds_the_best_in_a_study_that_knows_nothing_of_this_project() -> None:
    study = search()
    assert study.best_value > 85  # of 88.1 at the best
    late = [accuracy(**trial.params) for trial in study.trials[-8:]]
    assert sum(late) / 8 > 70
    assert [trial.params for trial in search().trials] == [trial.params for trial in study.trials]
    assert search(seed=1).trials[0].params != study.trials[0].params


def test_fixed_distributions_are_asked_for_together() -> None:
    space = {"lr": FloatDistribution(1e-4, 1e-1, log=True), "batch": IntDistribution(8, 64, step=8)}
    study = optuna.create_study(direction="maximize", sampler=ForecastSampler(1, 100, space=space))
    for _ in range(9):
        trial = study.ask(space)
        study.tell(trial, 50 + 10 * math.log10(trial.params["lr"]))
    assert {trial.params["batch"] % 8 for trial in study.trials} == {0}
    assert study.trials[-1].params["lr"] > 1e-2


def test_ranges_are_optunas() -> None:
    assert range_of("x", CategoricalDistribution(["a", "b"])) == Choice("a", "b")
    assert range_of("x", FloatDistribution(1.0, 2.0)) == Uniform(1.0, 2.0)
    assert range_of("x", FloatDistribution(1.0, 2.0, log=True)) == LogUniform(1.0, 2.0)
    assert range_of("x", FloatDistribution(0.0, 1.0, step=0.5)) == Choice(0.0, 0.5, 1.0)
    assert range_of("x", IntDistribution(2, 6, step=2)) == Choice(2, 4, 6)
    with pytest.raises(ValueError, match="x has 999 values; at most 256 can be modelled"):
        range_of("x", IntDistribution(1, 999))


def test_a_study_that_minimises_is_refused() -> None:
    space = {"lr": FloatDistribution(0.1, 1.0)}
    study = optuna.create_study(sampler=ForecastSampler(1, 100, space=space))
    with pytest.raises(ValueError, match="direction='maximize'"):
        study.ask(space)
