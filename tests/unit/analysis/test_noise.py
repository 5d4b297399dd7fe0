"""Intervals and tests of tasks, from predictions that say what comes out."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from synthetic_results import run_row

from analysis.noise import against_linear, top1_intervals, with_noise
from analysis.tables import task_results


def predictions(run_id: str, right: int, images: int = 100, shift: int = 0) -> pd.DataFrame:
    """So many images are right, the first ones, or those after a shift."""
    image = range(images)
    correct = [(number - shift) % images < right for number in image]
    predicted = [0 if one else 1 for one in correct]
    return pd.DataFrame(
        {"run_id": run_id, "image": image, "target": 0, "predicted": predicted, "correct": correct}
    )


def frames(*pairs: tuple[dict[str, object], pd.DataFrame | None]) -> list[pd.DataFrame]:
    runs = pd.DataFrame([row for row, _ in pairs])
    found = [frame for _, frame in pairs if frame is not None]
    return [runs, pd.concat(found)]


def final(seed: int, task: str = "digits", **changes: object) -> dict[str, object]:
    return run_row(f"demo-{task}-final-seed{seed}", seed=seed, **changes)


def test_a_task_has_the_interval_of_its_seeds_and_images() -> None:
    one, two = final(1), final(2)
    found = top1_intervals(
        *frames(
            (one, predictions(str(one["run_id"]), 90)), (two, predictions(str(two["run_id"]), 90))
        )
    )  # fmt: skip
    (row,) = found.to_dict("records")
    assert (row["task"], row["method"]) == ("digits", "sa2vp")
    # 90 % of 100 images, on which both seeds agree: a standard error of 3 points.
    assert row["top1_low"] == pytest.approx(84, abs=1)
    assert row["top1_high"] == pytest.approx(95.5, abs=1)


def test_a_task_of_which_a_run_has_no_predictions_has_no_interval() -> None:
    one, two = final(1), final(2)
    assert top1_intervals(*frames((one, predictions(str(one["run_id"]), 90)), (two, None))).empty


def test_runs_with_other_test_images_are_not_put_together() -> None:
    one, two = final(1), final(2)
    other = predictions(str(two["run_id"]), 90).assign(target=1)
    assert top1_intervals(*frames((one, predictions(str(one["run_id"]), 90)), (two, other))).empty


def test_methods_are_paired_by_image() -> None:
    ours = final(1)
    probe = run_row("demo-digits-final-linear", method="linear", inter_dim=None, inter_weight=None)
    alone = final(1, task="location")
    found = against_linear(
        *frames(
            (ours, predictions(str(ours["run_id"]), 80)),
            (probe, predictions(str(probe["run_id"]), 60)),
            (alone, predictions(str(alone["run_id"]), 60)),
        )
    )
    # 20 images on which SA2VP alone is right, none the other way: p = 2 / 2**20.
    (row,) = found.to_dict("records")
    assert row["task"] == "digits"
    assert row["linear_p_value"] < 0.001
    same_share = predictions(str(probe["run_id"]), 80, shift=10)
    found = against_linear(
        *frames((ours, predictions(str(ours["run_id"]), 80)), (probe, same_share))
    )
    assert found["linear_p_value"].item() == pytest.approx(1.0)  # 10 images each way


@pytest.mark.parametrize(
    ("published", "text"),
    [(90.0, r"-[45]\.\d to \+[56]\.\d, within noise"), (97.0, r"-1[12]\.\d to -[01]\.\d")],
)
def test_the_difference_to_the_published_accuracy_has_an_interval(
    published: float, text: str
) -> None:
    run = final(1, test_top1=91.0)
    runs, predicted = frames((run, predictions(str(run["run_id"]), 91)))
    reference = pd.DataFrame({"task": ["digits"], "group": ["all"], "top1_percent": [published]})
    row = with_noise(task_results(runs, reference), runs, predicted).iloc[0]
    # 91 of 100 images: a standard error of 2.9 points.
    assert row["interval"].startswith("85.")
    assert row["over_published"] == pytest.approx(91.0 - published)
    assert re.fullmatch(text, row["noise"])


def test_without_predictions_or_on_another_backbone_there_is_no_interval() -> None:
    run = final(1, test_top1=91.0)
    runs, predicted = frames((run, predictions(str(run["run_id"]), 91)))
    reference = pd.DataFrame({"task": ["digits"], "group": ["all"], "top1_percent": [90.0]})
    rows = task_results(runs, reference)
    assert pd.isna(with_noise(rows, runs, predicted.iloc[:0])["noise"].iloc[0])
    elsewhere = with_noise(rows, runs, predicted, comparable=False).iloc[0]
    assert pd.isna(elsewhere["noise"])
    assert pd.isna(elsewhere["over_published"])
    assert elsewhere["interval"].startswith("85.")
