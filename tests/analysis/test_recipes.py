"""Recipes: only what was really run, in files whose names stay in their folder."""

import tomllib

from synthetic_results import linear, run_row, runs_frame

from analysis.recipes import recipe_name, recipes


def test_a_recipe_holds_the_setting_and_each_seeds_accuracy() -> None:
    rows = [
        run_row("demo-digits-final-seed2", seed=2, test_top1=91.123456789012345, lr=0.1 + 0.2),
        run_row("demo-digits-final-seed1", seed=1, test_top1=93.0, lr=0.1 + 0.2),
        linear("demo-digits-final-linear"),
        run_row("demo-digits-search-0001", lr=0.5),
    ]
    ((name, text),) = recipes(runs_frame(rows)).items()
    assert name == "demo-digits-demo.toml"
    content = tomllib.loads(text)
    assert content["lr"] == 0.1 + 0.2  # every digit
    assert content["test_top1"] == {"1": 93.0, "2": 91.123456789012345}
    assert content["backbone_fingerprint"] == "beef"
    assert "92.06 ± 1.33, 2 seeds" in text


def test_rows_of_earlier_versions_make_no_recipe() -> None:
    assert recipes(runs_frame([run_row("demo-digits-final-seed1", dropout=None)])) == {}


def test_names_cannot_leave_the_folder() -> None:
    assert (
        recipe_name("custom", "../../etc", "hf-hub:timm/x.y")
        == "custom-..-..-etc-hf-hub-timm-x.y.toml"
    )
