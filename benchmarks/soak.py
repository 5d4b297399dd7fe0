"""Break a search again and again, continue it each time, and compare it with an unbroken one.

``python benchmarks/soak.py --faults 50`` runs a small search of the demo with one trial at a time,
kills a part of it at a random moment, presses Ctrl-C, lets the disk run full, cuts the power,
changes a bit of a file or removes one, runs the same command again, and starts over when it is
done. At the end every search must hold, row for row, what an unbroken one holds: settings, epochs,
ASHA's decisions and the final choice, times and memory aside.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from sa2vp.cli.commands import run_script
from sa2vp.files import TEMPORARY
from sa2vp.printing import Console
from sa2vp.results.store import ResultsStore, StoreError
from sa2vp.training.checkpoint import ARRAYS_FILE
from sa2vp.tuning.record import RunRecord

ROOT = Path(__file__).parents[1]
SEARCH = ["--suite", "demo", "--tasks", "digits", "--trials", "5", "--epochs", "3", "--seeds", "1"]
MEASURED = [
    "seconds", "images_per_second", "peak_memory_gib", "started_at", "finished_at", "commit",
    "uid", "starts",
]  # fmt: skip
LONGEST_SECONDS = 35
"""Between a start and its fault; an unbroken search takes longer, by some epochs."""

GIVEN_SECONDS = 20
"""That a driver has to end by itself after a fault, before what is left of it is killed too."""

THE_DRIVER = "the driver"
"""Is killed before files are damaged, as if the machine had gone down."""

VICTIMS = {
    "the trial's worker": ("ray::SA2VP", signal.SIGKILL),
    THE_DRIVER: ("run_search.py", signal.SIGKILL),
    "Ray's node process": ("raylet/raylet", signal.SIGKILL),
    "Ray's control process": ("gcs_server", signal.SIGKILL),
    "Ctrl-C": ("run_search.py", signal.SIGINT),
}
"""By the fault's name: a word of the command line, and the signal that it gets."""

FULL_DISK = "a full disk"
NO_DISK = 99
LARGEST_ROOM = 3_000_000
"""Bytes left on it; an unbroken search writes about as much."""


def main(
    faults: Annotated[int, Parameter(help="To inject in all.")] = 50,
    seed: Annotated[int, Parameter(help="Of the moments and victims.")] = 0,
) -> int:
    """Print how often each part was killed, and whether any result differs."""
    console, rng = Console(), random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        unbroken, broken = Path(temporary, "unbroken"), Path(temporary, "broken")
        finish(unbroken)
        expected = rows_of(unbroken)
        injected: Counter[str] = Counter()
        searches = differing = 0
        while injected.total() < faults:
            fault = rng.choice([*VICTIMS, FULL_DISK, *DAMAGES])
            if inject(fault, broken, rng):
                injected[fault] += 1
                console.print(f"{injected.total()} of {faults}: {fault}")
            else:
                differing += differs(broken, expected, console)
                searches += 1
                shutil.rmtree(broken)
        finish(broken)
        differing += differs(broken, expected, console)
    for fault, count in injected.items():
        console.print(f"{fault}: {count}")
    console.print(f"{searches + 1} searches, of which {differing} differ from the unbroken one")
    return int(differing > 0)


def inject(fault: str, results: Path, rng: random.Random) -> bool:
    """Run the search until a fault breaks it; tell whether it was not done before."""
    if fault == FULL_DISK:
        return fill_disk(results, rng.uniform(0, LARGEST_ROOM))
    victim = THE_DRIVER if fault in DAMAGES else fault
    was_broken = break_search(results, victim, rng.uniform(0, LONGEST_SECONDS))
    if was_broken and fault in DAMAGES:
        DAMAGES[fault](results, rng)
    return was_broken


def start(results: Path, *before: str, errors: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start the search in a session of its own, through another command where one is given."""
    command = [*before, sys.executable, "run_search.py", *SEARCH, "--results", str(results)]
    return subprocess.Popen(  # noqa: S603 - this project's own command
        [*command, "--cpus-per-trial", str(os.cpu_count())],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )


def finish(results: Path) -> None:
    """Run the search to its end, whatever it was left in."""
    code = start(results).wait()
    if code != 0:
        raise SystemExit(f"the search ended with exit code {code}; look into {results}")


def break_search(results: Path, fault: str, seconds: float) -> bool:
    """Start the search and break it after a while; tell whether it was still running."""
    driver = start(results)
    try:
        driver.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        word, number = VICTIMS[fault]
        for pid in processes_of(driver.pid, word):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    with suppress(subprocess.TimeoutExpired):
        # A lost worker is replaced, and the search goes on by itself.
        driver.wait(None if fault == "the trial's worker" else GIVEN_SECONDS)
    end_session(driver.pid)
    driver.wait()
    return True


def fill_disk(results: Path, room: float) -> bool:
    """Run the search on a disk with so much room left; tell whether that was too little."""
    results.mkdir(exist_ok=True)
    saved = results.with_name("saved")
    held = 2**16 + sum(2 * 4096 + path.stat().st_size for path in results.rglob("*"))
    script = (
        f"cp -a {results} {saved} && mount -t tmpfs -o size={int(held + room)} none {results} && "
        f"cp -a {saved}/. {results} && rm -r {saved} || exit {NO_DISK}; "
        f'"$@"; code=$?; cp -a {results} {saved}; exit $code'
    )
    search = start(results, "unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh")
    code = search.wait()
    end_session(search.pid)
    if code == NO_DISK:
        raise SystemExit("this system lets nobody mount a small disk")
    shutil.rmtree(results)
    saved.rename(results)
    return code != 0


def cut_power(results: Path, rng: random.Random) -> None:
    """Lose what was not synced: what was being written, and a part of the newest checkpoint."""
    for temporary in results.rglob(f"{TEMPORARY}*"):
        temporary.unlink()
    checkpoints = sorted(results.rglob(ARRAYS_FILE), key=lambda path: path.stat().st_mtime)
    for newest in checkpoints[-1:]:
        os.truncate(newest, rng.randrange(newest.stat().st_size))


def change_a_bit(results: Path, rng: random.Random) -> None:
    """Change a bit of a file; rows with one must be refused, and are moved away as is said then."""
    newest = newest_run(results)
    rows = [f"{dataset}/{newest}.parquet" for dataset in ("runs", "epochs")]
    file = any_file(results, rng, "tune/*/*/*/state.*", "optuna-*.log", *rows)
    if file is None:
        return
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)
    if file.suffix == ".parquet" and not is_readable(results):
        refused = start(results, errors=subprocess.PIPE)
        _, errors = refused.communicate()
        if refused.returncode != 2 or str(file).encode() not in errors:
            raise SystemExit(f"{file} has a changed bit, and was not refused: {errors.decode()}")
        away = results / "moved-away"
        away.mkdir(exist_ok=True)
        for row in (results / "epochs" / file.name, results / "runs" / file.name):
            if row.exists() and (row == file or file.parent.name == "epochs"):
                row.rename(away / f"{row.parent.name}-{row.name}")


def remove_a_file(results: Path, rng: random.Random) -> None:
    """Remove a checkpoint's file or a run's row."""
    file = any_file(results, rng, "tune/*/*/*/state.*", f"runs/{newest_run(results)}.parquet")
    if file is not None:
        file.unlink()


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "a power cut": cut_power,
    "a changed bit": change_a_bit,
    "a missing file": remove_a_file,
}


def newest_run(results: Path) -> str:
    """Name the run that was started last.

    An earlier trial that is run anew meets other trials than it did, and ASHA may decide otherwise.
    """
    rows = [pd.read_parquet(file) for file in (results / "runs").glob("[!.]*.parquet")]
    return str(pd.concat(rows).nlargest(1, "started_at")["run_id"].iloc[0]) if rows else ""


def any_file(results: Path, rng: random.Random, *patterns: str) -> Path | None:
    """Choose one of the patterns that fit a file with content, and one of its files."""
    found = [sorted(filter(has_content, results.glob(pattern))) for pattern in patterns]
    fitting = [files for files in found if files]
    return rng.choice(rng.choice(fitting)) if fitting else None


def has_content(path: Path) -> bool:
    """Tell whether a path is a file that is not empty, and not a temporary one."""
    return path.is_file() and not path.name.startswith(".") and path.stat().st_size > 0


def is_readable(results: Path) -> bool:
    """Tell whether every row can be read: some bits of a file say nothing."""
    try:
        RunRecord(ResultsStore(str(results)), "demo")
    except StoreError:
        return False
    return True


def processes_of(session: int, word: str) -> list[int]:
    """List a session's processes with a word in their command line."""
    found = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(command_line.parent.name)
        try:
            words = command_line.read_bytes()  # nothing of one that has ended and was not fetched
            if os.getsid(pid) == session and words and word.encode() in words:
                found.append(pid)
        except OSError:  # it is gone
            continue
    return found


def end_session(session: int) -> None:
    """Kill what a lost driver leaves behind, as a machine that is restarted would."""
    while leftover := processes_of(session, ""):
        for pid in leftover:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def rows_of(results: Path) -> dict[str, pd.DataFrame]:
    """Read a search's rows without what was measured."""
    found = {}
    for dataset, keys in (("runs", ["run_id"]), ("epochs", ["run_id", "epoch"])):
        files = sorted((results / dataset).glob("[!.]*.parquet"))
        rows = pd.concat([pd.read_parquet(file) for file in files])
        rows = rows.drop(columns=MEASURED, errors="ignore")
        found[dataset] = rows.sort_values(keys).reset_index(drop=True)
    return found


def differs(results: Path, expected: dict[str, pd.DataFrame], console: Console) -> bool:
    """Tell whether a search that was broken holds other rows; say which."""
    for dataset, rows in rows_of(results).items():
        try:
            pd.testing.assert_frame_equal(rows, expected[dataset])
        except AssertionError as error:
            console.print(f"{dataset}:", *str(error).splitlines(), sep="\n")
            if dataset == "runs":
                lines = rows[["run_id", "status", "reason"]].to_string().splitlines()
                console.print(*lines, sep="\n")
            return True
    return False


if __name__ == "__main__":
    run_script(main)
