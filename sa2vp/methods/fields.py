"""Hyperparameters of several methods: of one name there is one option on the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MAX_DIM = 10_000
"""Of anything learned; the largest that was published is 768."""

Dropout = Annotated[float, Field(ge=0, lt=1, description="Dropout rate in training.")]

DropPath = Annotated[
    float | None,
    Field(ge=0, lt=1, description="Rate of stochastic depth. Default: as the method has it."),
]

Bottleneck = Annotated[
    int, Field(ge=1, le=MAX_DIM, description="Channels in the middle of each adapter.")
]

Scale = Annotated[float, Field(gt=0, description="Factor of what an adapter adds.")]

PromptLength = Annotated[int, Field(ge=1, le=MAX_DIM, description="Prompt tokens of a block.")]
