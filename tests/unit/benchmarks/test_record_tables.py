"""The recorded tables of small tasks: what is drawn, and in which order runs are recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import record_tables
from record_tables import Recording, Run, next_run, train
from scipy.ndimage import center_of_mass, label
from small_tasks import load

optuna.logging.set_verbosity(optuna.logging.WARNING)


def blobs(image: np.ndarray) -> tuple[np.ndarray, int]:
    """Label the connected parts of an image that are not black."""
    found, count = label(image > 0, structure=np.ones((3, 3)))
    return found, count


def test_sprites_are_as_many_and_as_far_apart_as_their_label_says() -> None:
    counted, apart = load("count", None).val, load("distance", None).val
    assert [blobs(image[0])[1] for image in counted.images] == (counted.labels + 1).tolist()
    for image, step in zip(apart.images, apart.labels, strict=True):
        parts, count = blobs(image[0])
        assert count == 2
        first, second = center_of_mass(image[0], parts, [1, 2])
        assert 6 + 2 * step <= np.hypot(first[0] - second[0], first[1] - second[1]) <= 8 + 2 * step


def test_few_are_eight_of_each_and_only_training_labels_are_wrong() -> None:
    digits, few, wrong = (load(f"digits{end}", None) for end in ("", "_few", "_mislabelled"))
    assert Counter(few.train.labels.tolist()) == dict.fromkeys(range(10), 8)
    assert 0.3 < np.mean(wrong.train.labels != digits.train.labels) < 0.5
    for changed in (few, wrong):
        assert (changed.val.labels == digits.val.labels).all()
        assert (changed.val.images == digits.val.images).all()


def test_a_recorded_run_is_whole_and_one_that_diverges_ends_without_accuracy() -> None:
    configuration = {"inter_dim": 2, "inter_weight": 0.1, "lr": 1e-3, "batch_size": 40}
    rows = train(Run("digits_few", 7, 1, 2, configuration), None)
    assert rows[["number", "seed", "epochs_planned", "epoch"]].to_numpy().tolist() == [
        [7, 1, 2, 1],
        [7, 1, 2, 2],
    ]
    correct = np.stack([np.unpackbits(np.frombuffer(b, np.uint8)) for b in rows["correct"]])
    assert correct.shape == (2, 200)
    assert (correct.mean(axis=1) * 100).tolist() == pytest.approx(rows["val_top1"].tolist())

    failed = train(Run("digits_few", 8, 0, 2, configuration | {"lr": 1e6}), None).iloc[-1]
    assert np.isnan(failed["val_top1"])
    assert failed["correct"] is None


def fake_rows(run: Run) -> pd.DataFrame:
    """Pretend to train: the lower the learning rate, the better; the seed changes nothing."""
    rows = pd.DataFrame(
        {
            "task": run.task, "number": run.number, "seed": run.seed,
            "epochs_planned": run.epochs, **run.configuration,
            "epoch": np.arange(run.epochs) + 1, "val_top1": -10 * np.log10(run.configuration["lr"]),
            "val_loss": 1.0, "seconds": 1.0, "cpu_seconds": 1.0, "correct": bytes(25),
        }
    )  # fmt: skip
    rows.attrs = {"images": "0123456789abcdef"}
    return rows


def test_tasks_advance_together_and_a_resumed_recording_goes_on_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_tables, "FOLDER", tmp_path / "recorded")
    for name, count in {
        "PROMISING": 3, "BEST_REPEATED": 2, "OTHERS_REPEATED": 1,
        "LONGER_BEST": 1, "LONGER_OTHERS": 1,
    }.items():  # fmt: skip
        monkeypatch.setattr(record_tables, name, count)
    tasks = ["digits", "photos"]  # the second is also recorded with more epochs
    recordings = [Recording.read(task, 6) for task in tasks]
    done: list[Run] = []
    while run := next_run(recordings):
        recording = recordings[tasks.index(run.task)]
        recording.keep(run, fake_rows(run))
        done.append(run)
        again = [Recording.read(task, 6) for task in tasks]
        assert [one.missing for one in again] == [one.missing for one in recordings]

    assert len({(run.task, *run.key) for run in done}) == len(done)
    of_photos = [run for run in done if run.task == "photos"]
    first, second, third, fourth = (of_photos[i:j] for i, j in ((0, 6), (6, 9), (9, 15), (15, 17)))
    assert len(of_photos) == 17
    assert [run.task for run in done[:12]] == tasks * 6
    assert {run.task for run in done[12:18]} == set(tasks)
    assert first[0].configuration != done[0].configuration
    rates = {run.number: run.configuration["lr"] for run in first + second}
    assert max(rates[1000 + n] for n in range(3)) < np.median([rates[n] for n in range(6)])
    ranked = sorted(rates, key=lambda number: rates[number])
    assert [run.key for run in third[:4]] == [
        (ranked[0], 1, 8), (ranked[0], 2, 8), (ranked[1], 1, 8), (ranked[1], 2, 8),
    ]  # fmt: skip
    assert third[4].number == third[5].number not in ranked[:2]
    assert [run.key for run in Recording.read("digits", 8).missing] == [(6, 0, 8), (7, 0, 8)]
    assert fourth[0].key == (ranked[0], 0, 24)
    assert {run.epochs for run in fourth} == {24}


def test_runs_on_other_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_tables, "FOLDER", tmp_path)
    Recording.read("digits").keep(run := Recording.read("digits").start(), fake_rows(run))
    other = fake_rows(Run("digits", 1, 0, 8, run.configuration))
    other.attrs = {"images": "fedcba9876543210"}
    with pytest.raises(ValueError, match=r"digits.parquet: recorded on other images"):
        Recording.read("digits").keep(run, other)
