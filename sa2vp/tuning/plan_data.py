"""The data of a plan, checked whole before Ray is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sa2vp.data.check import check_task, print_reports
from sa2vp.data.errors import DataError
from sa2vp.data.fingerprint import Manifest
from sa2vp.data.images.cache import CachePlan, make_cache
from sa2vp.data.run_images import missing_caches
from sa2vp.options import OptionError
from sa2vp.printing import Console
from sa2vp.tuning.plan import SearchPlan

GIB = 2**30


@dataclass(frozen=True, slots=True)
class PlanData:
    """What a plan's data is, by task.

    Attributes:
        manifests: from which fingerprints are made and changes told.
        classes: names of the labels, in order.
        images: how many each split has.
        drawn: how splits were made that the data lack, a line each.
    """

    manifests: dict[str, Manifest]
    classes: dict[str, list[str]]
    images: dict[str, dict[str, int]]
    drawn: tuple[str, ...] = ()

    def described(self) -> dict[str, dict[str, Any]]:
        """Give what the results note of each task."""
        return {
            task: {"manifest": asdict(manifest), "classes": self.classes[task]}
            for task, manifest in self.manifests.items()
        }

    @property
    def fingerprints(self) -> dict[str, str]:
        """Give each task's fingerprint."""
        return {task: manifest.fingerprint for task, manifest in self.manifests.items()}


def check_data(
    plan: SearchPlan, progress: Callable[[], None], console: Console | None = None
) -> PlanData:
    """Check the data of every task.

    Args:
        plan: whose tasks.
        progress: called after each image.
        console: where the whole report is printed; None prints nothing.

    Raises:
        OptionError: the first problem, and how many more there are.
    """
    reports = {task.name: check_task(task, plan.data, progress) for task in plan.task_rows}
    if console is not None:
        print_reports(console, plan.task_rows, reports)
    problems = [f"{task}: {line}" for task, report in reports.items() for line in report.problems]
    if problems:
        more = f" (and {len(problems) - 1} more: --dry-run lists all)" if len(problems) > 1 else ""
        raise OptionError("--data-dir", problems[0] + more)
    for task in plan.task_rows:
        _check_batches(plan, task.name, reports[task.name].images["train"])
    return PlanData(
        {task: report.manifest for task, report in reports.items() if report.manifest},
        {task: report.classes for task, report in reports.items()},
        {task: report.images for task, report in reports.items()},
        tuple(f"{task}: {line}" for task, report in reports.items() for line in report.drawn),
    )


def _check_batches(plan: SearchPlan, task: str, images: int) -> None:
    """Refuse a space with larger batches than the training split.

    Raises:
        OptionError: names the task.
    """
    largest = max(run.training.batch_size for run in plan.corner_runs(task))
    if largest > images:
        raise OptionError(
            "--data-dir",
            f"{task} has {images} training images, and its space batches of {largest}",
        )


def plan_caches(plan: SearchPlan) -> list[CachePlan]:
    """Plan what the plan's runs need decoded and no earlier search has.

    Args:
        plan: with a backbone that was looked at, unless its suite brings its own images.

    Raises:
        OptionError: images are not there or damaged.
    """
    if not plan.data.cached or plan.input_size is None:
        return []
    with _blaming_the_data():
        return missing_caches(plan.task_rows, plan.data, plan.input_size)


def describe_caches(caches: Sequence[CachePlan]) -> str:
    """Say how many images are still to be decoded, and what room they take."""
    images = sum(len(cache.names) for cache in caches)
    size = sum(cache.missing_bytes for cache in caches)
    return f"{images:,} images to decode, once: {size / GIB:.2f} GiB"


def decode_images(caches: Sequence[CachePlan], progress: Callable[[], None]) -> None:
    """Decode images, once for all runs.

    Args:
        caches: that are missing.
        progress: called after each image.

    Raises:
        OptionError: images are damaged, or cannot be kept.
    """
    with _blaming_the_data():
        for cache in caches:
            make_cache(cache, progress)


@contextmanager
def _blaming_the_data() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise OptionError("--data-dir", str(error)) from error
