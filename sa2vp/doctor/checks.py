"""Everything that is looked at, in order: what comes first is what the rest needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from sa2vp.doctor import agreement, files, machine, memory, runs, speed, workers
from sa2vp.doctor.report import Line
from sa2vp.text import one_line

Check = tuple[str, Callable[[], Iterable[Line]]]


def list_checks(
    *,
    gpu: bool,
    backbone: str = "demo",
    checkpoint: Path | None = None,
    suite: str = "demo",
    data_dir: Path | None = None,
) -> list[Check]:
    """List the checks, each with the name that stands for it where it fails as a whole.

    Args:
        gpu: go on with the first GPU; else everything is of the CPU, and takes about a minute.
        backbone: that is loaded, as ``--backbone`` names it.
        checkpoint: its weights.
        suite: whose data are checked.
        data_dir: where they lie.
    """
    device = torch.device("cuda" if gpu else "cpu")
    found: list[Check] = [
        ("versions", machine.look_at_versions),
        ("devices", lambda: machine.look_at_devices(device)),
        ("backbone", lambda: files.look_at_backbone(backbone, checkpoint)),
        ("data", lambda: files.look_at_data(suite, data_dir)),
        ("agreement", lambda: agreement.compare_models(device, images=2 if gpu else 1)),
        ("dropout", lambda: agreement.compare_dropout(device)),
    ]
    if gpu:
        found += [("curves", lambda: runs.compare_devices(device))]
    found += [
        ("restored", lambda: runs.compare_restored(device)),
        ("workers", lambda: workers.share_a_run(device)),
        ("Ray", look_at_ray),
    ]
    if not gpu:
        return [*found, ("input", lambda: speed.time_input(device, 64))]
    return [
        *found,
        ("memory", memory.exhaust_memory),
        ("step", lambda: speed.time_steps(device, (8, 16, 32, 64, 128, 256), (8, 64))),
        ("profile", lambda: speed.profile_step(device, 64)),
        ("input", lambda: speed.time_input(device, 256)),
        ("evaluation", lambda: speed.time_evaluation(device, 256)),
    ]


def look_at_ray() -> Iterator[Line]:
    """Tell whether a search could be started; without Ray, all else can still be looked at."""
    if find_spec("ray") is None:
        yield Line("Ray", "search", "Ray is not installed: searches cannot be run", "skipped")
        return
    from sa2vp.tuning.trainable import SA2VPTrainable  # noqa: PLC0415 - Ray may be missing

    yield Line("Ray", "search", f"{SA2VPTrainable.__name__} can be imported", "ok")


def follow(checks: Iterable[Check], said: Callable[[str], None]) -> Iterator[Line]:
    """Run checks one after the other; one that raises an error is wrong, and the next ones go on.

    Args:
        checks: to run.
        said: is told the name of each before it runs.
    """
    for name, check in checks:
        said(name)
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            yield Line(
                name, "the check itself", f"{type(error).__name__}: {one_line(error)}", "wrong"
            )
