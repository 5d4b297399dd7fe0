"""Errors by which a disk refuses: no run's fault, whoever met them."""

from __future__ import annotations

import errno
import os
import re

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""No room, a quota used up, a file larger than is allowed, a broken disk, a read-only one."""

_NUMBER = re.compile(r"\[errno (\d+)\]|\bos error (\d+)\b", re.IGNORECASE)
"""As Python, Arrow and Rust's libraries write it."""


def is_refusal(error: BaseException) -> bool:
    """Tell whether an error came about because a disk refused.

    What a Ray worker raises arrives in wrappers, and its causes as the text of its traceback alone;
    libraries in other languages put what the system said into texts of their own. So the errors are
    looked at first, with their causes, and then what they say.

    Args:
        error: as raised, or as Ray handed it over.
    """
    chain: list[BaseException] = []
    ahead = [error]
    while ahead:
        one = ahead.pop()
        if one in chain:
            continue
        chain.append(one)
        hidden = None if one.__suppress_context__ else one.__context__
        failures: dict[int, BaseException] = getattr(one, "worker_failures", {})  # of Ray Train
        causes = (one.__cause__, hidden, getattr(one, "cause", None), *failures.values())
        ahead += [cause for cause in causes if isinstance(cause, BaseException)]
    return any(getattr(one, "errno", None) in REFUSALS or _says_so(str(one)) for one in chain)


def _says_so(text: str) -> bool:
    numbers = {int(python or rust) for python, rust in _NUMBER.findall(text)}
    return not numbers.isdisjoint(REFUSALS) or any(os.strerror(one) in text for one in REFUSALS)
