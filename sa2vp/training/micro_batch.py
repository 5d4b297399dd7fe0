"""Batches that do not fit the device's memory, taken in smaller parts."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TypeVar

import torch

from sa2vp.training.failures import MemoryExhaustedError
from sa2vp.training.generators import generator_states, restore_generators

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CPU = torch.device("cpu")

_EXHAUSTED = re.compile(
    r"can't allocate memory"  # PyTorch's CPU allocator raises a plain RuntimeError
    r"|(CUDA|HIP)( driver)?( error:)? out of memory"
    r"|CU(BLAS|DNN|SOLVER|SPARSE)\w*_ALLOC(ATION)?_FAILED"
    # So end handles that found no memory to be made in.
    r"|CUBLAS_STATUS_NOT_INITIALIZED when calling .cublasCreate"
    r"|CUDNN_STATUS_NOT_INITIALIZED"
)


class MicroBatch:
    """The most images that pass through the model at once, halved when memory runs out.

    Args:
        size: to begin with, in images.
        purpose: what the images are for, named in the log.
        device: that they pass the model on. On a GPU the memory may have been short because of
            another process: the whole size is tried again in a later epoch.

    Attributes:
        size: at present.
        limited_to: the size, where memory has made it smaller than it began; else None.
    """

    def __init__(self, size: int, purpose: str, device: torch.device = _CPU) -> None:
        self.size = size
        self.limited_to: int | None = None
        self._purpose = purpose
        self._device = device
        self._whole = size
        self._wait = 0  # epochs until the whole size is tried again
        self._next_wait = 0

    def begin_epoch(self) -> None:
        """Try the whole size again on a GPU, after 0, 1, 3, 7 and so on epochs that fail."""
        if self._device.type != "cuda" or self.limited_to is None:
            return
        if self._wait > 0:
            self._wait -= 1
            return
        self.size, self.limited_to = self._whole, None
        self._next_wait = 2 * self._next_wait + 1

    def limit(self, size: int | None) -> None:
        """Go down to a size found elsewhere, such as in a checkpoint; None is no limit."""
        if size is not None and size < self.size:
            self.size = self.limited_to = size
            self._wait = self._next_wait

    def fit(self, work: Callable[[int], T]) -> T:
        """Do work with as many images at once as memory allows.

        Args:
            work: takes the micro-batch size. When memory runs out it is called again with half of
                it, and has to start over; the random generators are put back before.

        Raises:
            MemoryExhaustedError: one image at a time is too much.
        """
        generators = generator_states(self._device)
        while True:
            try:
                return work(self.size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
            # Out here the traceback is gone, and with it the tensors that its frames held.
            self._halve(reason)
            restore_generators(generators, self._device)

    def _halve(self, reason: str) -> None:
        if self.size == 1:
            raise MemoryExhaustedError(
                f"out of memory in {self._purpose} with one image at a time ({reason}): use a "
                "device with more free memory, fewer runs at a time on it, or a smaller backbone"
            )
        self.limit(self.size // 2)
        logger.warning(
            "out of memory in %s (%s): from here on %d images at a time",
            self._purpose,
            reason,
            self.size,
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory of the GPU or of the machine is used up."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and _EXHAUSTED.search(str(error)) is not None
    )
