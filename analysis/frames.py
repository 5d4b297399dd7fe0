"""Read the results that a search leaves on disk.

A file that is damaged, or none of a search's, is named and left out; one of an earlier version is
read, with the columns that it lacks empty; of a run that is there twice, the row that was begun
last counts. Runs are read whole, epochs and predictions only of the runs that are asked for.
``docs/results.md`` says what each column means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.fs

from analysis.files import Problem, in_few_lines, read_folder, read_runs_files, to_pandas
from analysis.soundness import sound_rows
from sa2vp.results.schema import EPOCH_SCHEMA, PREDICTION_SCHEMA, RUN_SCHEMA
from sa2vp.text import one_line


class ResultsError(Exception):
    """The results cannot be read; the message names the file or folder and what is wrong."""


class ResultsNotFoundError(ResultsError):
    """There is no folder at the given place."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a results folder holds.

    Attributes:
        location: of the folder, a path or URI.
        runs: a row per run, with the columns of ``RUNS``.
        problems: files that were left out or lack columns, and runs found twice; grows as epochs
            and predictions are read.
        single_files: how many runs lie in files of their own, each of which takes its time to open.
    """

    location: str
    runs: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    single_files: int = 0

    @property
    def warnings(self) -> list[str]:
        """Put the problems into a few lines."""
        return in_few_lines(dict.fromkeys(self.problems))

    def epochs(self, run_ids: Iterable[str]) -> pd.DataFrame:
        """Read the epochs of some runs, with the columns of ``EPOCHS``."""
        found = self._of_runs("epochs", run_ids, EPOCH_SCHEMA)
        # Merged folders hold the epochs of a repeated run twice, too: alike, or of another try.
        return _once(found, ["run_id", "epoch"], by="epoch")[0]

    def predictions(self, run_ids: Iterable[str]) -> pd.DataFrame:
        """Read what final runs make of the test images; runs of earlier versions have none.

        Returns:
            The columns of ``PREDICTIONS``.
        """
        found = self._of_runs("predictions", run_ids, PREDICTION_SCHEMA)
        return _once(found, ["run_id", "image"], by="image")[0]

    def class_names(self, suite: str) -> dict[str, list[str]]:
        """Read the names of the classes, in order, by task, as far as they are known."""
        filesystem, root = _open(self.location)
        path = f"{root}/data-{suite}.json"
        try:
            kind = filesystem.get_file_info(path).type
            if kind not in (pa.fs.FileType.File, pa.fs.FileType.NotFound):
                raise OSError("no regular file")
            with filesystem.open_input_file(path) as source:
                noted = json.loads(source.read())
            return {task: [str(name) for name in data["classes"]] for task, data in noted.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.problems.append((path, f"left out, no names of classes: {one_line(error)}"))
            return {}

    def _of_runs(self, dataset: str, run_ids: Iterable[str], schema: pa.Schema) -> pd.DataFrame:
        wanted = list(run_ids)
        if not wanted:
            return to_pandas(schema.empty_table())
        filesystem, root = _open(self.location)
        frame, problems = read_runs_files(filesystem, f"{root}/{dataset}", wanted, schema)
        frame, unsound = sound_rows(frame, schema)
        self.problems.extend([*problems, *unsound])
        return frame


def no_results(location: str) -> Results:
    """Results of a project that has not run anything yet."""
    return Results(location, to_pandas(RUN_SCHEMA.empty_table()))


def read_results(location: str) -> Results:
    """Read the runs under a results folder.

    Args:
        location: a path, or a URI that ``pyarrow.fs`` reads, such as ``s3://bucket/results``.

    Raises:
        ResultsNotFoundError: nothing is there.
        ResultsError: it is no folder, or cannot be reached.
    """
    try:
        filesystem, root = _open(location)
        kind = filesystem.get_file_info(root).type
        if kind == pa.fs.FileType.NotFound:
            raise ResultsNotFoundError(f"there is no folder {location!r}")
        if kind != pa.fs.FileType.Directory:
            raise ResultsError(f"{location!r} is no folder; expected that of a search's results")
        runs, problems, single_files = read_folder(filesystem, f"{root}/runs", RUN_SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"cannot read {location!r}: {one_line(error)}") from error
    runs, unsound = sound_rows(runs, RUN_SCHEMA)
    runs, repeated = _once(runs, ["run_id"], by="started_at")
    return Results(location, runs, [*problems, *unsound, *repeated], single_files)


def _once(frame: pd.DataFrame, key: list[str], by: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Keep one row for each key, the last by a column; sort by the key, and name what was twice.

    Rows that are alike in every column are one: a file that is packed is removed only afterwards.
    """
    if not frame.duplicated(key).any():
        return frame.sort_values(key, ignore_index=True), []
    ordered = frame.drop_duplicates().sort_values([*key, by], kind="stable")
    twice = ordered.duplicated(key, keep="last")
    repeated = ordered.loc[twice, key[0]].unique()
    note = "found more than once; the row that was begun last counts"
    return ordered[~twice].reset_index(drop=True), [(name, note) for name in repeated]


def _open(location: str) -> tuple[pa.fs.FileSystem, str]:
    if "://" in location:
        filesystem, root = pa.fs.FileSystem.from_uri(location)
        return filesystem, root.rstrip("/")
    return pa.fs.LocalFileSystem(), Path(location).absolute().as_posix()
