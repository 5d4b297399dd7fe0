"""The terminal's view of a running search: one line a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sa2vp.printing import Console
from sa2vp.results.schema import RunRow
from sa2vp.tuning.method_rows import MethodRows, of_planned
from sa2vp.tuning.plan import SearchPlan
from sa2vp.tuning.record import RunRecord
from search_spaces import Value

REFRESH_PER_SECOND = 2
_HEADERS = ("trials", "stopped", "failed", "final\nruns", "best\nval")


class Progress:
    """Shows the record as it fills: a live table, or a line per finished run where no one watches.

    Args:
        plan: what is to be done.
        record: what is done.
        console: the terminal.
        slots: how many runs fit the cluster, which the time left depends on.
        others: methods that are searched in turn with the plan's, shown above its tasks.
    """

    def __init__(
        self,
        plan: SearchPlan,
        record: RunRecord,
        console: Console,
        *,
        slots: int,
        others: MethodRows | None = None,
    ) -> None:
        self._plan, self._config = plan, plan.config
        self._record = record
        self._console = console
        self._slots = slots
        self._others = others
        spaces = (plan.space(task).ranges for task in plan.tasks)
        self._searched = list(dict.fromkeys(name for ranges in spaces for name in ranges))
        self._announced = {run_id for run_id, row in record.runs.items() if row.finished_at}
        self._live = Live(
            console=console,
            get_renderable=self._shown,
            refresh_per_second=REFRESH_PER_SECOND,
            auto_refresh=console.is_terminal,
        )

    def __enter__(self) -> Progress:
        """Start to show."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._console.print(self.table())

    def changed(self) -> None:
        """Announce the runs that ended, where there is no live table."""
        for run_id, row in self._record.runs.items():
            if row.finished_at and run_id not in self._announced:
                self._announced.add(run_id)
                if not self._console.is_terminal:
                    self._console.print(describe_run(row), soft_wrap=True)

    def _shown(self) -> Table | Group:
        return self.table() if self._others is None else Group(self._others.table(), self.table())

    def table(self) -> Table:
        """Draw one line per task."""
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("task", vertical="bottom")
        for header in (*_HEADERS, *map(_header, self._searched), "left"):
            table.add_column(Text(header), justify="right", vertical="bottom", no_wrap=True)
        for task in self._plan.tasks:
            table.add_row(task, *self._cells(task))
        return table

    def _cells(self, task: str) -> tuple[str, ...]:
        trials, finals = self._record.of(task, "search"), self._record.of(task, "final")
        ended = [row for row in trials if row.status != "running"]
        best = self._record.best(task)
        left = self._seconds_left(task)
        return (
            of_planned(len(ended), max(self._config.trials, len(trials))),
            str(sum(row.status == "stopped" for row in ended)),
            str(sum(row.status == "failed" for row in [*trials, *finals])),
            f"{sum(row.status == 'completed' for row in finals)}/{self._config.seeds}",
            *self._best_cells(best),
            "" if left is None else str(timedelta(seconds=round(left))),
        )

    def _best_cells(self, best: RunRow | None) -> list[str]:
        """Give the accuracy and the configuration of the best trial; of none, empty cells."""
        if best is None:
            return [""] * (1 + len(self._searched))
        configuration = best.configuration
        return [
            f"{best.last_val_top1:.1f}",
            *(_short(configuration.get(name, "")) for name in self._searched),
        ]

    def _seconds_left(self, task: str) -> float | None:
        """Estimate from this task's, else any task's, seconds per epoch; None before the first."""
        trials, finals = self._record.of(task, "search"), self._record.of(task, "final")
        pace = seconds_per_epoch([*trials, *finals]) or seconds_per_epoch(
            list(self._record.runs.values())
        )
        if pace is None:
            return None
        ended = [row for row in trials if row.status != "running"]
        epochs_per_trial = (
            sum(row.epochs_done for row in ended) / len(ended) if ended else self._config.epochs
        )
        running = [row for row in trials if row.status == "running"]
        more = max(0, self._config.trials - len(ended))
        over = self._config.min_gain and self._record.is_chosen_from(task)
        epochs = 0.0 if over else more * epochs_per_trial
        epochs -= min(epochs, sum(row.epochs_done for row in running))
        if (limit := self._config.limit) is not None:
            epochs = min(epochs, limit.epochs_left(trials, pace))
        repeats = self._config.seeds + self._config.confirm
        repeated = [*finals, *self._record.of(task, "confirm")]
        epochs += repeats * self._config.epochs - sum(row.epochs_done for row in repeated)
        return max(0.0, epochs * pace / self._slots)


def seconds_per_epoch(rows: Sequence[RunRow]) -> float | None:
    """Give the mean duration of an epoch; None where none is done."""
    epochs = sum(row.epochs_done for row in rows)
    return sum(row.seconds for row in rows) / epochs if epochs else None


def _header(hyperparameter: str) -> str:
    """Head a narrow column."""
    return {"batch_size": "batch"}.get(hyperparameter, hyperparameter.replace("_", "\n"))


def _short(value: Value) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def describe_configuration(row: RunRow) -> str:
    """Write a run's configuration in one line."""
    return ", ".join(f"{name} {_short(value)}" for name, value in row.configuration.items())


def describe_run(row: RunRow) -> str:
    """Write the end of a run in one line."""
    numbers = "" if row.last_val_top1 is None else f", val top-1 {row.last_val_top1:.1f}"
    if row.test_top1 is not None:
        numbers += f", test top-1 {row.test_top1:.1f}"
    reason = f" ({row.reason})" if row.status == "failed" else ""
    return (
        f"{row.run_id}: {row.status} after {row.epochs_done} epochs{numbers}{reason}; "
        f"{describe_configuration(row)}"
    )
