"""Why a run ends as failed. It is its own fault, and repeating it would not help."""

from __future__ import annotations


class RunFailedError(RuntimeError):
    """The run has failed, and is not to be mistaken for a stopped one; the message is one line."""


class NonFiniteLossError(RunFailedError):
    """The run diverged."""


class MemoryExhaustedError(RunFailedError):
    """Not even one image at a time fits the device's memory."""
