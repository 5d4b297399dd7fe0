"""Results as a search writes them: real runs, rows and checkpoints, one after another."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sa2vp.data.check import check_task
from sa2vp.data.options import DataOptions
from sa2vp.data.readers.demo import load_task
from sa2vp.results.store import ResultsStore
from sa2vp.suites import suite_tasks
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.task_search import make_searches
from sa2vp.tuning.trainable import SA2VPTrainable
from sa2vp.use.export import Export
from sa2vp.use.final_runs import load_final_run


@pytest.fixture(scope="session")
def results(trainable: type[SA2VPTrainable], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial and two final runs of two epochs each on digits."""
    folder = tmp_path_factory.mktemp("results")
    plan = make_plan(suite="demo", tasks="digits", results=str(folder), trials=1, epochs=2, seeds=2)
    record = RunRecord(ResultsStore(str(folder)), "demo")
    (digits,) = suite_tasks("demo", ["digits"])
    manifest = check_task(digits, DataOptions()).manifest
    assert manifest is not None
    searches = make_searches(plan, record, {"digits": {"val": 200}})
    searcher = ProtocolSearcher(
        plan, record, searches, {"digits": manifest}, {"CPU": 1.0}, lambda: 1, "float32"
    )
    for number in range(3):
        config = searcher.suggest(f"trial-{number}")
        assert isinstance(config, dict)
        actor, result = trainable(config), {"done": False}
        while not result["done"]:
            result = actor.step()
            record.report(config["run_id"], result)
            name = f"tune/demo-then/{config['run_id']}/checkpoint_00000{result['epoch'] - 1}"
            actor.save_checkpoint(str(folder / name))
        searcher.on_trial_complete(f"trial-{number}", result)
        record.finish(config["run_id"], "completed")
    return folder


@pytest.fixture(scope="session")
def digits_export(results: Path) -> Export:
    return load_final_run(str(results), run_id="demo-digits-final-seed1")


@pytest.fixture(scope="session")
def model_file(digits_export: Export, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "digits.safetensors"
    digits_export.save(path)
    return path


@pytest.fixture(scope="session")
def digits_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test images of digits as PNG files, named by number and label."""
    folder = tmp_path_factory.mktemp("digits")
    (digits,) = suite_tasks("demo", ["digits"])
    test = load_task(digits).test
    for number, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number:04d}-{label}.png")
    return folder
