"""Recipes: only what was really run, in files whose names stay in their folder."""

import re
import tomllib

from synthetic_results import linear, run_row, runs_frame

from analysis.recipes import recipe_name, recipes


def test_a_recipe_holds_the_configuration_and_each_seeds_accuracy() -> None:
    rows = [
        run_row("demo-digits-final-seed2", seed=2, test_top1=91.123456789012345, lr=0.1 + 0.2),
        run_row("demo-digits-final-seed1", seed=1, test_top1=93.0, lr=0.1 + 0.2),
        linear("demo-digits-final-linear"),
        run_row("demo-digits-search-0001", lr=0.5),
    ]
    ((name, text),) = recipes(runs_frame(rows)).items()
    assert name == "demo-digits-demo.toml"
    content = tomllib.loads(text)
    assert content["hyperparameters"]["lr"] == 0.1 + 0.2  # every digit
    assert content["test_top1"] == {"1": 93.0, "2": 91.123456789012345}
    assert content["backbone_fingerprint"] == "beef"
    assert "92.06 ± 1.33, 2 seeds" in text


def test_rows_of_earlier_versions_make_no_recipe() -> None:
    assert recipes(runs_frame([run_row("demo-digits-final-seed1", hyperparameters=None)])) == {}


def test_names_cannot_leave_the_folder() -> None:
    name = recipe_name("custom", "../../etc", "hf-hub:timm/x.y")
    assert re.fullmatch(r"custom-\.\.-\.\.-etc-hf-hub-timm-x\.y-[0-9a-f]{8}\.toml", name)


def test_usual_names_stay() -> None:
    assert recipe_name("vtab-1k", "dsprites_location", "vit-b16") == (
        "vtab-1k-dsprites_location-vit-b16.toml"
    )


ALIKE = [
    ("demo", "a/b", "demo"),
    ("demo", "a-b", "demo"),
    ("demo", "a b", "demo"),
    ("demo", "a", "b-demo"),
    ("demo-a", "b", "demo"),
    ("vtab-1k", "a", "b"),
    ("vtab", "1k", "a-b"),
    ("vtab", "1k-a", "b"),
    ("x" * 300, "a", "demo"),
    ("x" * 300, "b", "demo"),
    ("猫" * 300, "a", "demo"),
]


def test_names_differ_and_every_file_system_takes_them() -> None:
    names = [recipe_name(*place) for place in ALIKE]
    assert len(set(names)) == len(ALIKE)
    assert max(len(name.encode()) for name in names) <= 255


def test_each_of_alike_names_has_its_recipe() -> None:
    rows = [
        run_row(f"demo-digits-final-seed{number}", suite=suite, task=task, backbone=backbone)
        for number, (suite, task, backbone) in enumerate(ALIKE)
    ]
    texts = recipes(runs_frame(rows))
    found = [
        (content["suite"], content["task"], content["backbone"])
        for content in map(tomllib.loads, texts.values())
    ]
    assert sorted(found) == sorted(ALIKE)
