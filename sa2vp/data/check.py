"""Is a task's data there, whole, and what it should be?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from rich.table import Table

from sa2vp.data.errors import DataError
from sa2vp.data.fingerprint import Manifest, make_manifest
from sa2vp.data.images.facts import Facts, examine
from sa2vp.data.images.source import OUTSIDE
from sa2vp.data.options import DataOptions
from sa2vp.data.readers import read_task
from sa2vp.data.readers.base import SPLITS, Listing, SplitList
from sa2vp.printing import Console
from sa2vp.suites import Task
from sa2vp.text import printable

SHOWN = 3
"""Images or classes that a line names; the others it counts."""


@dataclass(kw_only=True, slots=True)
class TaskReport:
    """What was found of a task's data.

    Attributes:
        folder: of the dataset; empty for a suite that brings its own images, or where none is.
        images: of each split.
        classes: the labels' names, in order.
        classes_in_train: how many of them the training split has.
        problems: that a search would fail of or be wrong with, a line each.
        remarks: that the user should know, a line each.
        drawn: those of them on splits that the data lack and that were drawn.
        manifest: None where the data cannot be listed.
    """

    folder: str = ""
    images: dict[str, int] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    classes_in_train: int | None = None
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    manifest: Manifest | None = None

    def __post_init__(self) -> None:
        """Keep lines whole: the names in them may hold anything."""
        self.problems = [printable(line) for line in self.problems]
        self.remarks = [printable(line) for line in self.remarks]
        self.drawn = [printable(line) for line in self.drawn]


def check_task(
    task: Task, options: DataOptions, progress: Callable[[], None] | None = None
) -> TaskReport:
    """Check a task's data: lists, labels, every image, and that no image is in two splits.

    An image that two splits list is a problem: its accuracy would be that of memory. Different
    files with the same content are a remark, since some published splits contain such copies, as
    are classes that train lacks: 800 images drawn from 397 classes miss some.

    Args:
        task: whose data.
        options: where it lies.
        progress: called after each image.
    """
    try:
        listing = read_task(task, options.data_path)
        names = listing.names(tuple(listing.splits))
        facts = examine(listing.source, names, options.cache_path, progress)
    except DataError as error:
        return TaskReport(problems=[str(error)])
    return TaskReport(
        folder=str(listing.folder or ""),
        images={split: len(images) for split, images in listing.splits.items()},
        classes=list(listing.classes),
        classes_in_train=len(set(listing.splits["train"].labels.tolist())),
        problems=[
            *_in_two_splits(listing),
            *_damaged(facts.values()),
        ],
        remarks=[
            *listing.remarks,
            *_missing_classes(task, listing.splits["train"]),
            *_copies(listing, facts),
        ],
        drawn=[*listing.remarks],
        manifest=make_manifest(listing, {name: fact.digest for name, fact in facts.items()}),
    )


def print_reports(
    console: Console, tasks: Sequence[Task], reports: Mapping[str, TaskReport]
) -> None:
    """Print a row per task, then every problem and remark in a line of its own."""
    table = Table("task", "folder", "classes", "expected", *SPLITS, "problems")
    for task in tasks:
        report = reports[task.name]
        counts = [f"{report.images[split]:,}" if report.images else "" for split in SPLITS]
        problems = str(len(report.problems) or "")
        found = "" if report.classes_in_train is None else str(report.classes_in_train)
        table.add_row(task.name, report.folder, found, str(task.num_classes), *counts, problems)
    console.print(table)
    for task in tasks:
        for line in reports[task.name].problems:
            console.print(f"{task.name}: {line}", soft_wrap=True)
        for line in reports[task.name].remarks:
            console.print(f"{task.name}: remark: {line}", soft_wrap=True)


def _missing_classes(task: Task, train: SplitList) -> list[str]:
    missing = sorted(set(range(task.num_classes)) - set(train.labels.tolist()))
    if not missing:
        return []
    listed = _shortened([str(label) for label in missing])
    return [
        f"train has {task.num_classes - len(missing)} of {task.num_classes} classes; no {listed}"
    ]


def _in_two_splits(listing: Listing) -> list[str]:
    lines = []
    for first, second in combinations(listing.splits, 2):
        both = sorted(set(listing.splits[first].names) & set(listing.splits[second].names))
        if both:
            lines.append(f"{first} and {second} share {len(both)} images: {_shortened(both)}")
    return lines


def _damaged(facts: Iterable[Facts]) -> list[str]:
    """Name every unreadable image; those outside of the folder, often all of them, together."""
    lines, outside = [], []
    for fact in facts:
        if fact.damage.startswith(OUTSIDE):
            outside.append(fact)
        elif fact.damage:
            lines.append(f"{fact.name}: {fact.damage}")
    if outside:
        names = _shortened([fact.name for fact in outside])
        count = f"{len(outside)} images, " if len(outside) > 1 else ""
        lines.insert(0, f"{count}{names}: {outside[0].damage}")
    return lines


def _copies(listing: Listing, facts: Mapping[str, Facts]) -> list[str]:
    """Name images of different splits and names whose content is the same."""
    by_digest: dict[str, dict[str, str]] = defaultdict(dict)
    for split, images in listing.splits.items():
        for name in images.names:
            by_digest[facts[name].digest].setdefault(split, name)
    lines = []
    for first, second in combinations(listing.splits, 2):
        pairs = [
            f"{found[first]} = {found[second]}"
            for digest, found in by_digest.items()
            if digest and first in found and second in found and found[first] != found[second]
        ]
        if pairs:
            lines.append(
                f"{len(pairs)} images of {second} have the content of one of {first}: "
                f"{_shortened(pairs)}"
            )
    return lines


def _shortened(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
