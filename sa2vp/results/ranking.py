"""How the best configuration of a task is chosen: one rule for the search and for its tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a run of a task reached, as far as the choice depends on it.

    Attributes:
        run_id: of the run.
        phase: ``search`` for a trial, ``confirm`` for a run that repeats one; others are passed
            over.
        configuration: equal in a trial and in the runs that repeat it.
        status: of the run; ``running`` ones are passed over.
        val_top1: percent, after the last epoch; None where there is none.
        val_loss: likewise.
        trainable_params: without the head.
    """

    run_id: str
    phase: str
    configuration: Hashable
    status: str
    val_top1: float | None
    val_loss: float | None
    trainable_params: int | None


def rank(outcomes: Iterable[Outcome]) -> list[str]:
    """Rank a task's completed trials, the best first.

    By itself a trial ranks by top-1, higher first, then by loss, then by trainable parameters,
    lower first. Where trials were confirmed, these come first, and with them any other trial that
    by itself ranks before all of them; each stands there with the means over the trial and its
    completed repeats. A repeat that failed puts its trial behind those with fewer such repeats.

    Args:
        outcomes: of one task, in any order.

    Returns:
        The run_ids of the completed trials.
    """
    runs = list(outcomes)
    trials = [run for run in runs if (run.phase, run.status) == ("search", "completed")]
    trials.sort(key=lambda trial: _key(trial, []))
    repeats: dict[Hashable, list[Outcome]] = {}
    for run in runs:
        if run.phase == "confirm" and run.status in ("completed", "failed"):
            repeats.setdefault(run.configuration, []).append(run)
    confirmed = [number for number, trial in enumerate(trials) if trial.configuration in repeats]
    first = confirmed[0] if confirmed else 0
    leading = {*range(first), *confirmed}
    order = sorted(
        range(len(trials)),
        key=lambda n: (n not in leading, _key(trials[n], repeats.get(trials[n].configuration, []))),
    )
    return [trials[number].run_id for number in order]


def _key(trial: Outcome, repeats: Sequence[Outcome]) -> tuple[int, float, float, int, str]:
    same = [trial, *(run for run in repeats if run.status == "completed")]
    return (
        sum(run.status == "failed" for run in repeats),
        -fmean(run.val_top1 or 0.0 for run in same),
        fmean(run.val_loss or 0.0 for run in same),
        trial.trainable_params or 0,
        trial.run_id,
    )
