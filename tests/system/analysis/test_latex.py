"""LaTeX: what is escaped, and that a real engine makes a document of it."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hostile import NASTY
from synthetic_results import run_row, runs_frame

from analysis import latex
from analysis.frames import Results
from analysis.layout import Column, Table
from analysis.published import read_accuracy, read_author_settings
from analysis.report import report
from reproduce_tables import app
from sa2vp.cli.commands import run

FOREIGN = "Ärger 中文 \x07 ~^\\ 'x' \"y\" \N{EN DASH} … µ"


def compiled(folder: Path, name: str) -> str:
    """Make a PDF with pdflatex; give its text."""
    if shutil.which("pdflatex") is None or shutil.which("pdftotext") is None:
        pytest.skip("pdflatex and pdftotext are not installed")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", name],
        cwd=folder, capture_output=True, text=True, check=False, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    pdf = (folder / name).with_suffix(".pdf")
    return subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def table() -> Table:
    frame = pd.DataFrame(
        {
            "task": [NASTY, FOREIGN, "mean of 2 tasks"],
            "is_mean": [False, False, True],
            "mean": [92.04, 8.0, 50.02],
            "std": [12.0, None, None],
        }
    )
    columns = (Column("task_name", "task"), Column("test top-1", "mean", ".1f", "std"))
    return Table("demo", "Title & <i>", "Caption 100%", frame, columns, ("Note <script>",))


def full_paper() -> Results:
    """Final runs on every task of the paper, as a search of all of it would leave them."""
    accuracy = read_accuracy().query("method == 'sa2vp'")
    published = [("fgvc", "vit-b16"), ("vtab-1k", "vit-b16"), ("vtab-1k", "swin-b")]
    places = [
        (suite, backbone, task)
        for suite, backbone in published
        for task in accuracy[accuracy["benchmark"] == suite]["task"]
    ]
    places += [("hta", "vit-b16", task) for task in read_author_settings("hta", "vit_b16")["task"]]
    rows = [
        run_row(
            f"{suite}-{task}-{backbone}-final-seed{seed}", suite=suite, task=task, phase="final",
            backbone=backbone, seed=seed, test_top1=80.0 + seed, best_epoch_test_top1=84.0,
        )
        for suite, backbone, task in places
        for seed in (1, 2)
    ]  # fmt: skip
    return Results("results", runs_frame(rows))


def test_special_characters_are_escaped(table: Table) -> None:
    text = latex.table_float(table)
    assert r"task\_name & test top-1 \\" in text
    assert r"a\_b\textbar{}c \& 50\% \textless{}b\textgreater{}\$x\$" in text
    assert r"92.0 $\pm$ 12.0" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"\caption{Title \& \textless{}i\textgreater{}. Caption 100\%}" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert text.index(r"\midrule") < text.rindex(r"\midrule") < text.index("mean of 2 tasks")


def test_nasty_and_foreign_names_compile_and_are_printed(table: Table, tmp_path: Path) -> None:
    (tmp_path / "all.tex").write_text(latex.whole([table]), encoding="utf-8")
    text = compiled(tmp_path, "all.tex")
    assert NASTY in text
    assert "Ärger [U+4E2D][U+6587] [U+0007] ~^\\" in text
    assert "50.0" in text


def test_the_whole_papers_tables_compile_as_they_are(tmp_path: Path) -> None:
    tables = report(full_paper())
    names = {table.name for table in tables}
    assert {
        "methods-fgvc-vit-b16", "methods-vtab-1k-vit-b16", "methods-vtab-1k-swin-b",
        "results-hta-vit-b16", "configurations-hta-vit-b16", "configurations-vtab-1k-swin-b",
    } <= names  # fmt: skip
    (tmp_path / "whole.tex").write_text(latex.whole(tables), encoding="utf-8")
    text = compiled(tmp_path, "whole.tex")
    assert "vpt-deep" in text
    assert "sa2vp, this search" in text
    log = (tmp_path / "whole.log").read_text(errors="replace")
    assert "Overfull" not in log  # nothing runs out of the page


def test_the_files_of_the_command_are_input_by_its_document(tmp_path: Path) -> None:
    assert (
        run(app, "x", ["--results", str(tmp_path), "--format", "latex", "--out", str(tmp_path)])
        == 0
    )
    assert "SA2VP" in compiled(tmp_path, "tables.tex")
