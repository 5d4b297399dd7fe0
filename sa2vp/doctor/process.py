"""Checks in processes of their own: what one leaves behind, or spoils, no other inherits."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from sa2vp.text import one_line


class ProcessError(RuntimeError):
    """A process has failed; the message is one line."""


def in_new_processes(function: Callable[..., Any], arguments: Sequence[Sequence[Any]]) -> list[Any]:
    """Call a function with each of several arguments, all at once; give the results in order.

    Raises:
        ProcessError: one of them failed.
    """
    context = multiprocessing.get_context("spawn")
    started = []
    for given in arguments:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(sender, function, given), daemon=True)
        process.start()
        sender.close()
        started.append((process, receiver))
    results = []
    for process, receiver in started:
        try:
            failure, result = receiver.recv()
        except EOFError:
            failure, result = "it ended without a word", None
        process.join()
        if failure is not None:
            raise ProcessError(failure)
        results.append(result)
    return results


def _send(sender: Connection, function: Callable[..., Any], given: Sequence[Any]) -> None:
    try:
        sender.send((None, function(*given)))
    except Exception as error:  # noqa: BLE001 - told by the process that waits for it
        sender.send((f"{type(error).__name__}: {one_line(error)}", None))
