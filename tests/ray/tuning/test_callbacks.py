"""What is written of a run that failed, for the errors that a real Ray cluster hands over."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import ray
from safetensors.numpy import save_file

from sa2vp.disk_errors import is_refusal
from sa2vp.files import replacing
from sa2vp.tuning.callbacks import describe_error


@ray.remote
class Worker:
    def __init__(self, *, broken: bool) -> None:
        if broken:
            raise LookupError("weights.npz: no such file")

    def step(self) -> None:
        raise ValueError("lr must be above 0\nmore of it")

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with replacing(Path("state.safetensors")) as temporary:
            save_file({"prompt": np.zeros(100)}, temporary)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("broken", "method", "described"),
    [
        (True, "step", "LookupError: weights.npz: no such file"),
        (False, "step", "ValueError: lr must be above 0"),
        (
            False,
            "fill",
            "SafetensorError: Error while serializing: I/O error: File too large (os error 27)",
        ),
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
    assert is_refusal(raised.value) == (method == "fill")
