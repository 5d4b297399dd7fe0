"""A user's spaces are read as written, and refused by file and line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from sa2vp.methods.sa2vp import SA2VP
from sa2vp.training.configuration import check_hyperparameter
from search_spaces import Choice, LogUniform, TaskSpace
from search_spaces.toml_file import TomlFileError
from search_spaces.toml_file import read_spaces as read_any_spaces

TASKS = ("digits", "location")
Spaces = dict[str, TaskSpace]
GOOD = """
# mine
["*"]
inter_dim = [4, 8]
inter_weight = { low = 0.1, high = 1 }
lr = { low = 1e-4, high = 1e-2 }
batch_size = [20]
initial = { inter_dim = 8, inter_weight = 0.5, lr = 1e-3, batch_size = 20 }

[location]
inter_dim = [64]
inter_weight = [0.5, 1]
lr = { low = 1e-3, high = 1e-2 }
batch_size = [40]
initial = { inter_dim = 64, inter_weight = 1, lr = 1e-3, batch_size = 40 }
"""


def read_spaces(path: Path, tasks: Sequence[str], known: Sequence[str] = ()) -> Spaces:
    """Read spaces of SA2VP."""
    return read_any_spaces(path, tasks, partial(check_hyperparameter, SA2VP), known)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_file_is_read_as_written(tmp_path: Path) -> None:
    spaces = read_spaces(write(tmp_path, GOOD), TASKS)
    assert spaces["digits"].ranges == {
        "inter_dim": Choice(4, 8),
        "inter_weight": LogUniform(0.1, 1.0),
        "lr": LogUniform(1e-4, 1e-2),
        "batch_size": Choice(20),
    }
    assert spaces["digits"].initial[0]["inter_weight"] == 0.5
    assert spaces["location"].ranges["inter_weight"] == Choice(0.5, 1.0)


def test_several_configurations_can_open_a_search(tmp_path: Path) -> None:
    one = "{ inter_dim = 64, inter_weight = 1, lr = 1e-3, batch_size = 40 }"
    two = one.replace("inter_weight = 1", "inter_weight = 0.5")
    spaces = read_spaces(write(tmp_path, GOOD.replace(one, f"[{one}, {two}]")), TASKS)
    assert [c["inter_weight"] for c in spaces["location"].initial] == [1.0, 0.5]


def test_tasks_that_are_not_mentioned_are_left_out(tmp_path: Path) -> None:
    _, _, location = GOOD.partition("[location]")
    assert set(read_spaces(write(tmp_path, "[location]" + location), TASKS)) == {"location"}


def test_tables_of_tasks_that_are_not_searched_now_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert set(read_spaces(path, ["digits"], known=["digits", "location"])) == {"digits"}
    with pytest.raises(TomlFileError, match=r"mine\.toml:10: unknown task 'location'"):
        read_spaces(path, ["digits"], known=["digits"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[location]",
            "[cub200]",
            r"mine\.toml:10: unknown task 'cub200'; known: digits, location",
        ),
        ("[location]", "[location", r"mine\.toml: .*line 10"),
        (
            "inter_dim = [64]",
            "inter_dims = [64]",
            r"mine\.toml:11: unknown 'inter_dims'; did you mean inter_dim\? known: .*lr, ",
        ),
        (
            "inter_dim = [64]",
            "inter_dim = 64",
            r"mine\.toml:11: inter_dim: expected \[a, b, \.\.\.",
        ),
        (
            "inter_dim = [64]",
            "inter_dim = [6.5]",
            r"mine\.toml:11: inter_dim must be a valid integer, got 6\.5",
        ),
        (
            "inter_dim = [64]",
            "inter_dim = [true]",
            r"mine\.toml:11: inter_dim must be a valid integer",
        ),
        ("inter_dim = [64]", "inter_dim = []", r"mine\.toml:11: inter_dim: a choice needs diff"),
        (
            "inter_dim = [64]",
            "inter_dim = { low = 4, high = 64 }",
            r"mine\.toml:11: inter_dim must be a valid integer, got 4\.0",
        ),
        ("[0.5, 1]", '["a"]', r"mine\.toml:12: inter_weight must be a valid number, got 'a'"),
        ("low = 1e-3", "low = 1", r"mine\.toml:13: lr: bounds must satisfy 0 < low < high"),
        (
            "[0.5, 1]",
            f"[{'9' * 400}]",
            r"mine\.toml:12: inter_weight must be .*, got 9{60}$",
        ),
        ("[0.5, 1]", f"[{'9' * 5000}]", r"mine\.toml: Exceeds the limit"),
        ("[0.5, 1]", f"[0x{'f' * 5000}]", r"mine\.toml:12: inter_weight must be .*, got this int"),
        (
            "[64]",
            f"[{'9' * 400}]",
            r"mine\.toml:11: inter_dim must be less than or equal to 10000, got 9{60}$",
        ),
        (
            "[64]",
            "[10_001]",
            r"mine\.toml:11: inter_dim must be less than or equal to 10000, got 10001",
        ),
        (
            "[40]",
            "[1_000_001]",
            r"mine\.toml:14: batch_size must be .*, got 1000001",
        ),
        ("[0.5, 1]", "[inf]", r"mine\.toml:12: inter_weight must be a finite number, got inf"),
        ("[0.5, 1]", "[" * 2000 + "]" * 2000, r"mine\.toml: nested too deeply"),
        (
            "inter_weight = [0.5, 1]",
            f"inter_weight{'.a' * 2000} = 1",
            r"mine\.toml:12: inter_weight: expected .* got this dict",
        ),
        (
            "inter_weight = [0.5, 1]",
            f"inter_weight = [{', '.join(map(str, range(2, 999)))}]",
            r"mine\.toml:15: initial has inter_weight.{,300}$",
        ),
        ("low = 1e-3", "low = nan", r"mine\.toml:13: lr: nan is no finite number"),
        ("lr = 1e-3, batch_size = 40 }", "batch_size = 40 }", r"mine\.toml:15: initial sets"),
        (
            "inter_weight = 1, lr",
            "inter_weight = 2, lr",
            r"mine\.toml:15: initial has inter_weight=2",
        ),
    ],
)
def test_a_bad_file_is_refused_by_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(TomlFileError, match=message) as refused:
        read_spaces(write(tmp_path, GOOD.replace(old, new)), TASKS)
    assert "\n" not in str(refused.value)


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + GOOD)
    assert set(read_spaces(path, TASKS)) == set(TASKS)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "#" * 2**20)
    assert read_spaces(path, TASKS) == {}
    path.write_text("#" * (2**20 + 1))
    with pytest.raises(TomlFileError, match=r"mine\.toml: larger than 1 MiB$"):
        read_spaces(path, TASKS)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TomlFileError, match=r"none\.toml: No such file or directory"):
        read_spaces(tmp_path / "none.toml", TASKS)
