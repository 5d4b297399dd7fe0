"""What is written of a run that failed, for the errors that a real Ray cluster hands over."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import ray

from sa2vp.tuning.callbacks import describe_error


@ray.remote
class Worker:
    def __init__(self, *, broken: bool) -> None:
        if broken:
            raise LookupError("weights.npz: no such file")

    def step(self) -> None:
        raise ValueError("lr must be above 0\nmore of it")

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=1, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("broken", "method", "described"),
    [
        (True, "step", "LookupError: weights.npz: no such file"),
        (False, "step", "ValueError: lr must be above 0"),
        (False, "die", "ActorDiedError: The actor died unexpectedly before finishing this task."),
    ],
)
def test_an_error_is_one_line_that_says_what_was_raised(
    broken: bool, method: str, described: str
) -> None:
    worker = Worker.remote(broken=broken)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Ray wraps each kind differently
        ray.get(getattr(worker, method).remote())
    assert describe_error(raised.value) == described
