"""What the driver spends on an epoch that some trial reports, by the number of trials at a time.

``python benchmarks/overhead.py`` runs searches of trials that only sleep and report, on the real
searcher, scheduler, callbacks and results. With actors, Ray's and Tune's share is in the figure;
an actor is a process of about 0.1 GiB, which bounds their number. Without actors, this project's
own share alone is timed, for any number of trials. Time of the CPU, not of the clock.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import ray
from cyclopts import Parameter
from ray import tune
from ray.tune.result import SHOULD_CHECKPOINT
from rich.table import Table

from sa2vp.cli.commands import run_script
from sa2vp.data.fingerprint import Manifest
from sa2vp.printing import Console
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.cluster import start_ray
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.protocol import ProtocolSearcher
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.task_search import make_searches
from sa2vp.tuning.tuner import make_callbacks, make_scheduler, tuner_for

EPOCHS = 10


def report(number: int, epoch: int) -> dict[str, Any]:
    """Give what a trial would report; later trials are a little better."""
    return {
        "epoch": epoch, "epochs_planned": EPOCHS, "lr": 1e-3, "train_loss": 1.0, "val_loss": 1.0,
        "val_top1": 50 + 40 * epoch / EPOCHS + number / 1000, "test_top1": None, "seconds": 1.0,
        "images_per_second": 1.0, "peak_memory_gib": 1.0, "micro_batch": 8, "precision": "float32",
        "workers": 1, "image_size": 32, "trainable_params": 1, "backbone_params": 1,
        "backbone_fingerprint": "none", "done": epoch == EPOCHS, "versions": "{}", "commit": None,
        SHOULD_CHECKPOINT: True,
    }  # fmt: skip


class Sleeper(tune.Trainable):
    """Sleeps through its epochs."""

    seconds = 1.0

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Ask for what a trial asks for."""
        return tune.PlacementGroupFactory([config["resources"]])

    def setup(self, config: dict[str, Any]) -> None:
        """Begin a run."""
        self._number, self._epoch = int(config["run_id"].rpartition("-")[2].strip("sed")), 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another run."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Sleep."""
        time.sleep(self.seconds)
        self._epoch += 1
        return report(self._number, self._epoch)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write something small."""
        Path(checkpoint_dir, "epoch").write_text(str(self._epoch))

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Do nothing: no sleeper is lost."""


def main(
    actors: Annotated[str, Parameter(metavar="N,N", help="Trials at a time.")] = "8,64",
    simulated: Annotated[
        str, Parameter(metavar="N,N", help="Trials at a time, without actors.")
    ] = "8,64,512",
    seconds: Annotated[float, Parameter(help="Of sleep in an epoch.")] = 4.0,
    by: Annotated[
        str, Parameter(help="Sampler and scheduler: forecast, or tpe with asha.")
    ] = "tpe",
) -> None:
    """Print the driver's milliseconds per epoch, and the epochs a second that fill one core."""
    table = Table("trials at a time", "with actors, ms", "this project's share, ms", "epochs/s")
    own = {int(count): simulate(int(count), by) for count in simulated.split(",") if count}
    whole = {int(count): drive(int(count), seconds, by) for count in actors.split(",") if count}
    for count in sorted({*own, *whole}):
        cells = [f"{1000 * found[count]:.1f}" if count in found else "" for found in (whole, own)]
        rate = f"{1 / whole[count]:.0f}" if count in whole else ""
        table.add_row(str(count), *cells, rate)
    Console().print(table)


def parts(count: int, results: str, by: str) -> tuple[Any, ...]:
    """Make what a search of so many trials at a time consists of, two trials for each place."""
    plan = make_plan(
        suite="demo",
        tasks="digits",
        results=results,
        trials=2 * count,
        seeds=1,
        epochs=EPOCHS,
        sampler=by,
        scheduler="asha" if by == "tpe" else by,
    )
    store = ResultsStore(results)
    record = RunRecord(store, plan.config.suite)
    searches = make_searches(plan, record, {"digits": {"val": 200}})
    scheduler = make_scheduler(plan, record, searches)
    resources = {"CPU": 1.0, "GPU": 0.0}
    searcher = ProtocolSearcher(
        plan, record, searches, {"digits": Manifest({})}, resources, lambda: count, "float32"
    )
    return plan, store, record, searcher, scheduler


def drive(count: int, seconds: float, by: str) -> float:
    """Run a search of sleeping actors; give the driver's seconds of CPU per epoch."""
    Sleeper.seconds = seconds
    with tempfile.TemporaryDirectory() as results:
        plan, store, record, searcher, scheduler = parts(count, results, by)
        start_ray(Console(quiet=True), None, verbose=False, num_cpus=count)
        tuner = tuner_for(
            plan,
            store,
            record,
            searcher,
            scheduler,
            make_trainable=lambda _: Sleeper,
            changed=lambda: None,
        )  # fmt: skip
        begin = time.process_time()
        tuner.fit()
        spent = time.process_time() - begin
        ray.shutdown()
        return spent / sum(len(epochs) for epochs in record.epochs.values())


def simulate(count: int, by: str) -> float:
    """Play Tune's part; give this project's seconds of CPU per epoch."""
    with tempfile.TemporaryDirectory() as results:
        plan, store, record, searcher, scheduler = parts(count, results, by)
        callbacks = make_callbacks(plan, store, record, lambda: None, scheduler.reason)[
            :-1
        ]  # TensorBoard's is Ray's
        begin = time.process_time()
        live: dict[str, Any] = {}
        asked = 0
        while not searcher.finished:
            while len(live) < count:
                config = searcher.suggest(str(asked))
                if not isinstance(config, dict):
                    break
                trial = SimpleNamespace(trial_id=str(asked), config=config, last_result={})
                live[trial.trial_id], asked = trial, asked + 1
                for callback in callbacks:
                    callback.on_trial_start(iteration=0, trials=[], trial=trial)
            for trial in list(live.values()):
                if not advance(trial, searcher, scheduler, callbacks):
                    del live[trial.trial_id]
        spent = time.process_time() - begin
        return spent / sum(len(epochs) for epochs in record.epochs.values())


def advance(trial: Any, searcher: Any, scheduler: Any, callbacks: list[Any]) -> bool:
    """Report an epoch of a trial; tell whether it goes on."""
    epoch = trial.last_result.get("epoch", 0) + 1
    result = trial.last_result = report(int(trial.trial_id), epoch)
    goes_on = scheduler.on_trial_result(None, trial, result) == "CONTINUE" and not result["done"]
    result["done"] = not goes_on  # as Tune marks it
    for callback in callbacks:
        callback.on_trial_result(iteration=0, trials=[], trial=trial, result=result)
    if not goes_on:
        searcher.on_trial_complete(trial.trial_id, result)
        for callback in callbacks:
            callback.on_trial_complete(iteration=0, trials=[], trial=trial)
    return goes_on


if __name__ == "__main__":
    run_script(main)
