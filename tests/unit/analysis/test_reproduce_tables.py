"""The command line: what it shows, what it writes, and how it answers bad input."""

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from searches import ROOT, wait_for
from synthetic_results import run_row

from reproduce_tables import app
from sa2vp.cli.commands import run
from sa2vp.results.schema import RUN_SCHEMA


def exit_code(arguments: list[str]) -> int:
    return run(app, "reproduce_tables.py", arguments)


def reproduce(*arguments: str | Path, width: int = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "reproduce_tables.py", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": str(width), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_without_results_the_published_numbers_are_shown(tmp_path: Path) -> None:
    done = reproduce("--results", tmp_path)  # there, but empty
    assert done.returncode == 0
    assert "Published SA2VP on fgvc, ViT-B/16" in done.stdout
    assert "smallnorb_elevation" in done.stdout
    assert "90.08" in done.stdout
    assert "arXiv:2312.10376v1" in done.stdout
    assert "python run_search.py --suite demo" in done.stderr


def test_the_default_folder_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code([]) == 0
    assert "No runs in results yet" in capsys.readouterr().err


def test_results_are_shown_with_what_was_left_out(demo_folder: Path) -> None:
    done = reproduce("--results", demo_folder)
    assert done.returncode == 0
    assert "92.0 ± 2.0" in done.stdout
    assert "mean of 2 tasks" in done.stdout
    assert "7 of 9 final runs" in done.stdout
    assert "commit 0123456789, fedcba9876-dirty." in " ".join(done.stdout.split())
    assert "Not counted, failed (1): demo-digits-final-seed4 (loss is nan)." in done.stdout
    assert "Not counted, running (1): demo-location-final-seed2." in done.stdout
    # Eight finished SA2VP runs of 2 x 150 s; at most five at once, from noon to 12:50.
    assert "16.0 % of the wall time of 5 slots over 50.0 minutes" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("width", [80, 140])
def test_the_output_keeps_to_the_terminals_width(demo_folder: Path, width: int) -> None:
    done = reproduce("--results", demo_folder, width=width)
    assert max(map(len, done.stdout.splitlines())) <= width
    assert "…" not in done.stdout


def test_a_damaged_file_is_named_and_the_rest_reported(
    demo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (demo_folder / "runs" / "damaged.parquet").write_bytes(b"PAR1")
    assert exit_code(["--results", str(demo_folder)]) == 0
    done = capsys.readouterr()
    assert "92.0 ± 2.0" in done.out
    assert done.err.startswith("warning: ")
    assert "damaged.parquet" in done.err


@pytest.mark.parametrize(
    ("table_format", "suffix", "sign"),
    [
        ("md", "md", "| digits | 3 | 91.0 ± 2.0 | 92.0 ± 2.0 |"),
        ("latex", "tex", r"digits & 3 & 91.0 $\pm$ 2.0 & 92.0 $\pm$ 2.0 &"),
        ("csv", "csv", "digits,,False,3,91.0,2.0,92.0,2.0,"),
    ],
)
def test_each_format_goes_to_stdout_or_to_a_file_per_table(
    demo_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    table_format: str,
    suffix: str,
    sign: str,
) -> None:
    assert exit_code(["--results", str(demo_folder), "--format", table_format]) == 0
    assert sign in capsys.readouterr().out
    out = tmp_path / "tables" / "new"
    written = reproduce("--results", demo_folder, "--format", table_format, "--out", out)
    assert written.returncode == 0
    names = [f"results-demo-demo.{suffix}", f"search-demo-demo.{suffix}"]
    names += ["tables.tex"] if table_format == "latex" else []
    assert written.stdout.split() == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == names  # and nothing temporary
    assert sign in (out / names[0]).read_text(encoding="utf-8")


def test_tables_of_suites_and_backbones_of_any_name_have_files_of_their_own(
    write_results: Callable[..., Path], tmp_path: Path
) -> None:
    names = [("x" * 300, "a"), ("x" * 300, "b"), ("demo", "a/b"), ("demo", "a-b")]
    folder = write_results(
        [
            run_row(f"demo-digits-final-seed{number}", suite=suite, backbone=backbone)
            for number, (suite, backbone) in enumerate(names)
        ]
    )
    command = ["--results", str(folder), "--format", "csv", "--out", str(tmp_path / "out")]
    assert exit_code(command) == 0
    assert len(list((tmp_path / "out").glob("results-*.csv"))) == len(names)


def test_the_report_is_one_page(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--results", str(demo_folder), "--format", "html"]
    assert exit_code(command) == 0
    shown = capsys.readouterr().out
    assert ">92.0 ± 2.0</td>" in shown
    assert exit_code([*command, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == shown


def test_parquet_keeps_types_and_numbers(demo_folder: Path, tmp_path: Path) -> None:
    command = ["--results", str(demo_folder), "--format", "parquet", "--out", str(tmp_path)]
    assert exit_code(command) == 0
    frame = pd.read_parquet(tmp_path / "results-demo-demo.parquet").set_index("task")
    assert frame.loc["digits", ["seeds", "test_top1_std", "inter_dim"]].tolist() == [3, 2.0, 8]


def test_recipes_are_written_for_tasks_with_final_runs(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["--results", str(demo_folder), "--recipes", str(tmp_path)]) == 0
    names = ["demo-digits-demo.toml", "demo-location-demo.toml"]
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in names]
    recipe = tomllib.loads((tmp_path / names[0]).read_text(encoding="utf-8"))
    assert recipe["test_top1"] == {"1": 90.0, "2": 92.0, "3": 94.0}
    assert (
        recipe["hyperparameters"]["inter_dim"],
        recipe["hyperparameters"]["lr"],
        recipe["suite"],
    ) == (8, 0.001, "demo")


def test_a_watched_page_shows_what_came_meanwhile_and_ends_still(
    demo_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    with subprocess.Popen(
        [sys.executable, "reproduce_tables.py", "--results", str(demo_folder), "--format", "html",
         "--out", str(tmp_path), "--watch", "1"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as watching:  # fmt: skip
        try:
            wait_for(page.exists)
            assert 'http-equiv="refresh"' in page.read_text(encoding="utf-8")
            late = run_row("demo-orientation-final-seed1", test_top1=77.0)
            pq.write_table(
                pa.Table.from_pylist([late], RUN_SCHEMA), demo_folder / "runs" / "late.parquet"
            )
            wait_for(lambda: "77.0" in page.read_text(encoding="utf-8"))
            watching.send_signal(signal.SIGINT)
            output, _ = watching.communicate(timeout=60)
        finally:
            watching.kill()
    assert watching.returncode == 0
    assert output.split() == [str(page)]
    assert "refresh" not in page.read_text(encoding="utf-8")


def test_a_csv_file_holds_rows_only_and_its_notes_go_to_stderr(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert exit_code(["--results", str(demo_folder), "--format", "csv", "--out", str(out)]) == 0
    frame = pd.read_csv(out / "results-demo-demo.csv", index_col="task")
    assert frame.loc["digits", "test_top1_std"] == 2.0
    assert "demo-digits-final-seed4 (loss is nan)" in capsys.readouterr().err


def test_many_files_of_single_runs_bring_up_packing(
    demo_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = len(list((demo_folder / "runs").glob("[!._]*.parquet")))
    command = f"sa2vp pack --results {demo_folder}"
    monkeypatch.setattr("sa2vp.cli.work.tables.MANY_FILES", files)
    assert exit_code(["--results", str(demo_folder)]) == 0
    assert "sa2vp pack" not in capsys.readouterr().err
    monkeypatch.setattr("sa2vp.cli.work.tables.MANY_FILES", files - 1)
    assert exit_code(["--results", str(demo_folder)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{files} runs lie in files of their own" in said
    assert said.endswith(command)


def test_a_search_without_final_runs_is_reported(
    demo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (demo_folder / "runs").glob("*-final-*"):
        path.unlink()
    assert exit_code(["--results", str(demo_folder)]) == 0
    assert capsys.readouterr().out.startswith("demo on backbone demo: search")


def test_final_runs_that_all_failed_still_give_a_table(
    demo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (demo_folder / "runs").iterdir():
        if path.stem != "demo-digits-final-seed4":
            path.unlink()
    for arguments in ([], ["--format", "md"], ["--format", "latex"], ["--format", "html"]):
        assert exit_code(["--results", str(demo_folder), *arguments]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "0 of 1 final runs" in shown
        assert "demo-digits-final-seed4 (loss is nan)" in shown


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--results", "ftpx://host/results"], ["--results", "ftpx"]),
        (["--results", "pyproject.toml"], ["--results", "is no folder"]),
        (["--out", "tables"], ["--out", "--format", "md, latex, csv, parquet, html"]),
        (["--format", "parquet"], ["--format", "add --out"]),
        (["--watch", "5"], ["--watch", "--format html", "--out"]),
        (["--format", "html", "--out", "x", "--watch", "0"], ["--watch: must be 1 or more, got 0"]),
        (["--results", "tests", "--recipes", "x"], ["--recipes", "no completed final run"]),
        (["--format", "md", "--out", "pyproject.toml/tables"], ["--out", "cannot write"]),
        (["--fromat", "md"], ["--fromat"]),
        (["--format"], ["--format"]),
        (["surplus"], ["surplus"]),
    ],
)
def test_bad_input_is_answered_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    parts: list[str],
) -> None:
    monkeypatch.chdir(ROOT)
    assert exit_code(arguments) == 2
    done = capsys.readouterr()
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    for part in parts:
        assert part in done.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--format", "pdf"], ["--format", "'pdf'", "md, latex, csv, parquet, html"]),
        (["--results", "no/such/folder"], ["--results", "no/such/folder"]),
    ],
)
def test_bad_input_ends_the_process_with_code_2(arguments: list[str], parts: list[str]) -> None:
    done = reproduce(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for part in parts:
        assert part in done.stderr


def test_the_analysis_needs_neither_training_code_nor_ray() -> None:
    check = "import sys, sa2vp.cli.work.tables; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    loaded = done.stdout.split()
    assert "sa2vp.results.schema" in loaded
    assert not {name.partition(".")[0] for name in loaded} & {"torch", "ray", "optuna"}
