"""Default spaces of the methods that SA2VP is compared with, from their authors' own grids.

An authors' grid of learning rates is searched between its ends. VPT's rates for SGD are for 256
images: its code multiplies them by batch / 256. ``lr`` is the rate that the optimiser takes, so the
ends here are VPT's at its batch of 128.
"""

from __future__ import annotations

from search_spaces import Choice, LogUniform, Range, TaskSpace, Value, task_space
from search_spaces.kinds import initial
from search_spaces.vpt import VPT_LENGTHS

PROMPT_LENGTHS = (1, 5, 10, 50, 100, 200)
VPT_WEIGHT_DECAY = Choice(1e-2, 1e-3, 1e-4, 0.0)
"""arXiv:2203.12119, ``tune_vtab.py``."""

VPT_ADAMW_LR = LogUniform(1e-4, 5e-3)
"""Of full, partial, bias and adapter: 1e-4, 5e-4, 1e-3 and 5e-3 in VPT's grid."""

VPT_SGD_LR = LogUniform(0.025, 25.0)
"""Of linear, sidetune, MLP and VPT: 0.05 to 50 for 256 images in VPT's grid."""

DEMO_LR_FACTOR = 4
"""The demo trains for 8 epochs and not 100: AdamW's rates reach as much higher as SA2VP's do."""

RERUN_LR = LogUniform(1e-3, 1e-2)
RERUN_WEIGHT_DECAY = Choice(1e-4, 1e-3)
"""Of the re-run of these methods under one search by Mai et al. (arXiv:2409.16434)."""


def comparison_space(
    suite: str,
    task: str,
    backbone: str,
    ranges: dict[str, Range],
    **first: Value | tuple[Value, ...],
) -> TaskSpace:
    """Complete ranges with the batch sizes that SA2VP is searched with on a task.

    Args:
        suite: of the task.
        task: its name.
        backbone: as given to ``--backbone``.
        ranges: of all other hyperparameters.
        first: the initial configurations' values of these, as :func:`~search_spaces.kinds.initial`
            takes them.
    """
    batch_size = task_space(suite, task, backbone).ranges["batch_size"]
    lr = ranges["lr"]
    if suite == "demo" and isinstance(lr, LogUniform) and lr != VPT_SGD_LR:
        lr = LogUniform(lr.low, DEMO_LR_FACTOR * lr.high)
    complete = {**ranges, "lr": lr, "batch_size": batch_size}
    return TaskSpace(complete, initial(**first, batch_size=batch_size.ends[0]))


def prompt_space(suite: str, task: str, backbone: str, *, deep: bool) -> TaskSpace:
    """Give VPT's grid. A demo image has too few patches for its longest prompts.

    Args:
        suite: of the task.
        task: its name.
        backbone: as given to ``--backbone``.
        deep: whether the space is VPT-deep's.
    """
    lengths = PROMPT_LENGTHS[:4] if suite == "demo" else PROMPT_LENGTHS
    ranges: dict[str, Range] = {
        "prompt_length": Choice(*lengths),
        "lr": VPT_SGD_LR,
        "weight_decay": VPT_WEIGHT_DECAY,
    }
    shallow_length, deep_length = VPT_LENGTHS.get((suite, task), (10, 10))
    first = {"prompt_length": deep_length if deep else shallow_length, "lr": 0.25}
    return comparison_space(suite, task, backbone, ranges, **first, weight_decay=1e-3)
