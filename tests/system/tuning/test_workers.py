"""Trials on two workers, on a real Ray cluster: stopped, failed and lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.util.state import list_actors
from rich.console import Console
from rows import epoch_row
from searches import wait_for
from trials import config

from sa2vp.models import load_backbone
from sa2vp.options import OptionError
from sa2vp.tuning.asha import PerTaskASHA
from sa2vp.tuning.callbacks import describe_error
from sa2vp.tuning.cluster import check_fits, slots_of_cluster, start_ray
from sa2vp.tuning.shared_backbone import share_backbone
from sa2vp.tuning.workers import shared_trainable

OTHER_CLUSTER = "import ray; ray.init(num_cpus=1, log_to_driver=False); print('up'); input()"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Start a cluster beside another one, of another user, say."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", OTHER_CLUSTER], text=True, **pipes) as other:
        assert other.stdout is not None
        assert any(line.strip() == "up" for line in other.stdout)
        start_ray(Console(quiet=True), None, verbose=False, num_cpus=2)
        yield
        ray.shutdown()
        other.communicate("\n")


def worker_pids() -> list[int]:
    actors = list_actors(
        address=ray.get_runtime_context().gcs_address,
        filters=[("class_name", "=", "RayTrainWorker"), ("state", "=", "ALIVE")],
    )
    return [actor.pid for actor in actors]


def run_trial(
    folder: Path, *, scheduler: Any = None, callbacks: tuple[Any, ...] = (), **values: Any
) -> Any:
    """Run one trial of two workers to its end; give what Tune knows of it."""
    param_space = config(**({"dropout": 0.0} | values)) | {"epochs": 3, "workers": 2}
    tuner = tune.Tuner(
        shared_trainable(str(folder / "search"), share_backbone(load_backbone("demo"))),
        param_space=param_space,
        tune_config=tune.TuneConfig(scheduler=scheduler, reuse_actors=False),
        run_config=tune.RunConfig(
            name="search", storage_path=str(folder), verbose=0, callbacks=list(callbacks)
        ),
    )
    (result,) = tuner.fit()
    return result


class KillWorker(tune.Callback):
    """Kills one of the workers after the first epoch."""

    def on_trial_result(self, *_: Any, **__: Any) -> None:
        os.kill(worker_pids()[0], signal.SIGKILL)


def test_a_stopped_trial_leaves_no_worker_and_no_resources_behind(tmp_path: Path) -> None:
    asha = PerTaskASHA(["photos"], epochs=3)
    asha.replay("photos", [epoch_row("custom-photos-search-0000", 1, 100.0)])
    seen: list[int] = []

    class Look(tune.Callback):
        def on_trial_result(self, *_: Any, **__: Any) -> None:
            seen.extend(worker_pids())

    result = run_trial(tmp_path, scheduler=asha, callbacks=(Look(),))
    assert (result.metrics["epoch"], result.metrics["workers"]) == (1, 2)
    assert result.error is None
    assert len(seen) == 2
    wait_for(lambda: not worker_pids())
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in seen))
    wait_for(lambda: ray.available_resources().get("CPU") == 2)


def test_a_run_that_diverges_reports_its_failure_and_is_not_repeated(tmp_path: Path) -> None:
    result = run_trial(tmp_path, lr=1e30)
    assert result.error is None
    assert "loss became" in result.metrics["failure"]
    assert (result.metrics["done"], result.metrics["epochs_planned"]) == (True, 3)
    assert "val_top1" not in result.metrics


def test_the_error_of_a_lost_worker_is_one_line(tmp_path: Path) -> None:
    result = run_trial(tmp_path, callbacks=(KillWorker(),))
    assert result.metrics["epoch"] == 1
    assert re.fullmatch(r"worker [01]: \w+: .+", describe_error(result.error))


def test_slots_count_every_worker_and_what_does_not_fit_is_refused_by_option() -> None:
    one = {"CPU": 1.0, "GPU": 0.0}
    assert [slots_of_cluster(one, workers)() for workers in (1, 2, 3)] == [2, 1, 0]
    check_fits(one, 2)
    with pytest.raises(
        OptionError, match=r"^--workers-per-trial: .* room for 2 .* a trial needs 3$"
    ):
        check_fits(one, 3)
    with pytest.raises(OptionError, match=r"^--cpus-per-trial: a worker needs 3 CPU"):
        check_fits({"CPU": 3.0, "GPU": 0.0}, 2)
    with pytest.raises(OptionError, match=r"^--gpus-per-trial: a trial needs 1 CPU, 1 GPU on one"):
        check_fits({"CPU": 1.0, "GPU": 1.0})
