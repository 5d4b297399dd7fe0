"""The terminal's view of several methods that are searched in turn: one line a method."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from rich.table import Table

from sa2vp.results.schema import RunRow
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.session import Session
from search_spaces.kinds import MAX_COUNT


class MethodRows:
    """Shows how far each method of a comparison is.

    Args:
        sessions: a method's each; their records are read when first shown.
    """

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = {one.plan.method.name: one for one in sessions}
        self._records = {
            name: RunRecord(one.store, one.plan.config.suite, name)
            for name, one in self._sessions.items()
        }

    def follow(self, record: RunRecord) -> None:
        """Show a method from the record that its search fills."""
        self._records[record.method] = record

    def table(self) -> Table:
        """Draw one line per method."""
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("method")
        for header in ("trials", "final runs", "failed", "epochs", "mean best val"):
            table.add_column(header, justify="right", no_wrap=True)
        for name in self._sessions:
            table.add_row(name, *self._cells(name))
        return table

    def _cells(self, name: str) -> list[str]:
        plan, record = self._sessions[name].plan, self._records[name]
        rows = [row for row in record.runs.values() if row.task in plan.tasks]
        ended = [row for row in _of(rows, "search") if row.status != "running"]
        finals = [row for row in _of(rows, "final") if row.status == "completed"]
        best = [record.best(task) for task in plan.tasks]
        reached = [one.last_val_top1 or 0.0 for one in best if one is not None]
        tasks = len(plan.tasks)
        return [
            of_planned(len(ended), max(plan.config.trials * tasks, len(_of(rows, "search")))),
            of_planned(len(finals), plan.config.seeds * tasks),
            str(sum(row.status == "failed" for row in rows)),
            str(sum(row.epochs_done for row in rows)),
            f"{fmean(reached):.1f}" if len(reached) == tasks else "",
        ]


def _of(rows: Sequence[RunRow], phase: str) -> list[RunRow]:
    return [row for row in rows if row.phase == phase]


def of_planned(done: int, planned: int) -> str:
    """Write how many of the planned are done; without a plan of their number, how many are."""
    return str(done) if planned >= MAX_COUNT else f"{done}/{planned}"
